"""Jobs as a farm leaves them on storage, made without one: for tests of what reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nasfarm.core import wire
from nasfarm.core.jobs import FORMAT, Job, Pace, Priority, Segment, Skipped, Summary
from nasfarm.core.models import PinnedModel
from nasfarm.core.recipes import ResolvedRecipe, ResolvedStage
from nasfarm.home import Home
from nasfarm.jobs.store import JobStore
from nasfarm.registry.store import ModelStore

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LINKS = 30_000
"""Jobs that share a file: each gives it two names, and ext4 lets it have 65,000."""


def opened_home(folder: Path) -> Home:
    """The home below `folder`, with a state folder of its own and no farm."""
    home = folder / "home"
    (home / "jobs").mkdir(parents=True, exist_ok=True)
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    return Home(
        JobStore(home / "jobs"), ModelStore(home / "models"), home / "recipes", {"home": home},
        folder / "state",
    )  # fmt: skip


def job_of(job_id: str, items: int = 2, created: datetime = FIRST) -> Job:
    """A job of one chunk."""
    model = PinnedModel("nanodet-g", "1", "int8", "0" * 64)
    recipe = ResolvedRecipe("detect", "detections", (ResolvedStage("things", model, "image"),),
                            {"score": 0.35}, 16, 0)  # fmt: skip
    plan = (Segment(0, "home", 0, items, items, 0),)
    return Job(job_id, "0" * 32, created.isoformat(timespec="seconds"), recipe, Priority.NORMAL,
               items, 100 * items, Skipped(), plan)  # fmt: skip


def line(i: int, error: str = "", item: str = "") -> dict[str, Any]:
    """A result line, good or with an error of this code."""
    begun = {"i": i, "item": item or f"home:photos/{i}.jpg"}
    if error:
        return {**begun, "status": "error", "error": {"code": error, "message": "it is broken"}}
    return {**begun, "status": "ok", "width": 4, "height": 3, "model": "nanodet-g@1/int8",
            "detections": []}  # fmt: skip


def put_job(store: JobStore, job: Job) -> Job:
    """A job that was handed in, and nothing done."""
    with store.draft() as draft:
        (draft / "manifest.jsonl").touch()
        assert store.accept(draft, job)
    return job


def put_chunk(
    store: JobStore, job_id: str, number: int, lines: Sequence[Mapping[str, Any]]
) -> None:
    path = store.chunk_file(job_id, number)
    path.write_bytes(b"".join(wire.encode(each) + b"\n" for each in lines))


def put_done(
    store: JobStore, job_id: str, *, created: datetime = FIRST, errors: int = 0, ended: float = 0
) -> Job:
    """A job of two items that is done; `ended`: when, in seconds since 1970 (0: now)."""
    job = put_job(store, job_of(job_id, created=created))
    put_chunk(store, job_id, 0, [line(i, "decode" if i < errors else "") for i in range(2)])
    store.finish(Summary(job_id, 0, 2, 2 - errors, errors, ()), Pace(12.5))
    if ended:
        os.utime(store.path(job_id) / "summary.json", (ended, ended))
    return job


def many_jobs(jobs: Path, count: int) -> list[str]:
    """Finished jobs by the thousand, the last one the newest; ids in this order.

    Files that are the same in each are one file with many names: it is the folders that count.
    """
    sample = job_of("detect-IDENTITY")
    record = {"format": FORMAT} | wire.plain(sample)
    del record["watched"]
    request = wire.encode_pretty(record).decode()
    summary = wire.encode_pretty(Summary("detect-IDENTITY", 0, 2, 1, 1, ())).decode()
    same = {
        "manifest.jsonl": b"".join(
            wire.encode({"i": i, "item": f"home:photos/{i}.jpg", "bytes": 100, "mtime_ns": 1})
            + b"\n"
            for i in range(2)
        ),
        "results.jsonl": b"".join(wire.encode(line(i, "decode" * i)) + b"\n" for i in range(2)),
        "pace.json": b'{"images_per_s":12.5}\n',
    }
    ids = [f"detect-{n:010x}" for n in range(count)]
    for n, job_id in enumerate(ids):
        if n % LINKS == 0:
            shared = jobs.parent / f"shared-{n}"
            shared.mkdir()
            for name, content in same.items():
                (shared / name).write_bytes(content)
        folder = f"{jobs}/{job_id}"
        os.makedirs(f"{folder}/chunks")
        created = (FIRST + timedelta(seconds=n)).isoformat(timespec="seconds")
        with open(f"{folder}/job.json", "x") as file:
            text = request.replace("detect-IDENTITY", job_id)
            file.write(text.replace(sample.created_at, created))
        for name in same:
            os.link(shared / name, f"{folder}/{name}")
        os.link(shared / "results.jsonl", f"{folder}/chunks/0.jsonl")
        with open(f"{folder}/summary.json", "x") as file:
            file.write(summary.replace("detect-IDENTITY", job_id))
    return ids


def many_taken(home: Path, recipe: str, days: int, files: int) -> None:
    """Dropped files of many days, all of them one picture with many names."""
    for day in range(days):
        folder = home / "inbox" / ".taken" / recipe / f"{FIRST.date() + timedelta(days=day)}"
        folder.mkdir(parents=True)
        first = folder / "0.jpg"
        first.write_bytes(json.dumps("no picture").encode())
        for n in range(1, files):
            os.link(first, f"{folder}/{n}.jpg")
