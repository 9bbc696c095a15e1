"""What was handed in against what came out: photos of known sizes, runs of chunks, a tally."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from farmyard import Farmyard

WIDTHS = range(40, 121, 8)
SLOW = Path(__file__).parent / "faults" / "slow"


def with_slow_photos() -> dict[str, str]:
    """The setting in which `slow_s` of `put_photos` is real."""
    return {"PYTHONPATH": os.pathsep.join([str(SLOW), os.environ.get("PYTHONPATH", "")])}


def put_photos(farm: Farmyard, count: int, slow_s: float = 0, name: str = "photos") -> Path:
    """A folder of small photos in the root `home`; number i is WIDTHS[i % 11] pixels wide.

    slow_s: a worker takes so long for each.
    """
    kept, folder = farm.folder / f"kept-{name}", farm.home / name
    kept.mkdir()
    folder.mkdir()
    for width in WIDTHS:
        path = kept / f"{width}.jpg"
        Image.effect_noise((width, 48), 60).convert("RGB").save(path, "JPEG")
        if slow_s:
            path.write_bytes(path.read_bytes() + f"SLOW:{slow_s}".encode())
    for i in range(count):
        os.link(kept / f"{WIDTHS[i % len(WIDTHS)]}.jpg", folder / f"{i:05d}.jpg")
    return folder


@dataclass(frozen=True, slots=True)
class Tally:
    """0, 0, 0, 0 where every photo ended in exactly one line that is its own."""

    lost: int
    doubled: int
    wrongly_failed: int
    mixed_up: int

    def __str__(self) -> str:
        return (
            f"lost {self.lost}, doubled {self.doubled}, wrongly failed {self.wrongly_failed}, "
            f"mixed up {self.mixed_up}"
        )


NOTHING_WRONG = Tally(0, 0, 0, 0)


def tally(farm: Farmyard, job_id: str, count: int) -> Tally:
    """Count a finished job of `put_photos`: its results, and the chunks they were made of."""
    lines = farm.lines(job_id)
    results = [line["i"] for line in lines]
    published = [line["i"] for line in chunk_lines(farm, job_id)]
    good = [line for line in lines if line["status"] == "ok"]
    return Tally(
        lost=count - min(len(set(results)), len(set(published))),
        doubled=max(len(results) - len(set(results)), len(published) - len(set(published))),
        wrongly_failed=len(lines) - len(good),
        mixed_up=sum(
            line["width"] != WIDTHS[line["i"] % len(WIDTHS)]
            or not line["item"].endswith(f"/{line['i']:05d}.jpg")
            for line in good
        ),
    )


def finish(farm: Farmyard, job_id: str, count: int, timeout_s: float) -> Tally:
    """Wait for a job of `put_photos` and count it."""
    ran = farm.run("wait", job_id, "--timeout", timeout_s, "--json", timeout_s=timeout_s + 60)
    assert ran.code in (0, 1), ran.err
    counted = tally(farm, job_id, count)
    print(counted)
    return counted


def chunk_lines(farm: Farmyard, job_id: str) -> Iterator[dict[str, Any]]:
    """Every line of every published chunk."""
    for path in (farm.home / "jobs" / job_id / "chunks").glob("*.jsonl"):
        yield from map(json.loads, path.read_text().splitlines())


def chunks_done(farm: Farmyard, job_id: str) -> int:
    """How many chunks are published. Of the folder itself: a command takes a second."""
    return len(list((farm.home / "jobs" / job_id / "chunks").glob("[0-9]*.jsonl")))


# -- the farm's logs -------------------------------------------------------------------------


def records(farm: Farmyard, action: str, log: str = "slot?.jsonl") -> list[dict[str, Any]]:
    """What the workers of this node noted of an action, in the order of their times."""
    found = []
    for path in (farm.state / "logs").glob(log):
        for line in path.read_text().splitlines():
            if line.startswith("{") and (record := json.loads(line)).get("action") == action:
                found.append(record)
    return sorted(found, key=lambda record: str(record["time"]))


def executions(*farms: Farmyard, job_id: str) -> Counter[int]:
    """Chunk → how often a worker of these nodes began it; the reduce step apart."""
    return Counter(
        record["chunk"]
        for farm in farms
        for record in records(farm, "chunk_begun")
        if record["job"] == job_id and record["chunk"] >= 0
    )


def time_of(record: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(record["time"])


# -- its processes, without a command that takes a second ------------------------------------


def workers(farm: Farmyard) -> list[int]:
    """The pool parents that run, one a slot."""
    slots = _slot_processes(farm)
    return [pid for pid, parent in slots.items() if parent not in slots]


def pool_children(farm: Farmyard) -> list[int]:
    slots = _slot_processes(farm)
    return [pid for pid, parent in slots.items() if parent in slots]


def agents(farm: Farmyard) -> list[int]:
    return [
        process.pid
        for process, words in _commands(farm)
        if words[-1:] == ["worker"] and words[1:3] == ["-m", "nasfarm"]
    ]


def _slot_processes(farm: Farmyard) -> dict[int, int]:
    """Process → its parent."""
    found = {}
    for process, words in _commands(farm):
        if "--slot" in words:
            try:
                found[process.pid] = process.ppid()
            except psutil.Error:
                continue
    return found


def _commands(farm: Farmyard) -> Iterator[tuple[psutil.Process, list[str]]]:
    for process in farm.processes():
        try:
            yield process, process.cmdline()
        except psutil.Error:
            continue
