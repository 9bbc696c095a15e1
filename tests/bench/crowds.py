"""Very many photos: what a slot's memory, handing in, and the broker come to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import redis

from book import Book
from ground import Ground
from nasfarm_workers.bench.photos import linked

MANY, MANY_ROUNDS = 1_000_000, 5
LONG = 20_000
FOLDERS = 20
"""A file has at most 65,000 names on ext4."""

MEASURED = (
    "import json, resource, subprocess, sys, time; begun = time.perf_counter(); "
    "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True); "
    "took = time.perf_counter() - begun; "
    "peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss; "
    "print(json.dumps([json.loads(done.stdout), took, peak_kb / 1024]))"
)
"""Runs a command from a small process of its own: a child's peak begins with its parent's size."""


def memory(ground: Ground, book: Book) -> None:
    """`slot_rss_mb` of a slot's working process over 20,000 images, and how much it has grown.

    `slot_pss_mb` is of all the slot's processes, what they share counted once.
    """
    if not book.wants("slot_rss_mb", "slot_rss_growth_mb", "slot_pss_mb"):
        return
    folder = ground.crowd(ground.tiny, "tiny", LONG)
    farm, pids = ground.farm, ground.yard().slot_pids()
    handle = farm.submit(folder, recipe="detect", again=True)
    samples: list[tuple[float, float]] = []
    while not farm.home.jobs.results(handle.job_id).exists():
        counts = farm.broker.leases.counts(handle.job_id)
        done = counts.ok + counts.errors if counts else 0
        if done >= LONG / 20:
            samples.append((max(map(rss_mb, pids)), max(map(pss_mb, pids))))
        if len(samples) % 60 == 1:
            print(f"  {done} of {LONG} images, {samples[-1][0]:.0f} MB", flush=True)
        time.sleep(1)
    rss, pss = zip(*samples, strict=True)
    tenth = max(1, len(rss) // 10)
    book.figure("slot_rss_mb", [max(rss)])
    book.figure("slot_pss_mb", [max(pss)])
    book.figure("slot_rss_growth_mb", [max(rss[-tenth:]) - max(rss[:tenth])])


def rss_mb(pid: int) -> float:
    """Resident memory of the largest of a slot's processes: the one that does the work."""
    return max(process.memory_info().rss for process in family(pid)) / 2**20


def pss_mb(pid: int) -> float:
    """Of all the slot's processes; pages that several share are split between those."""
    return sum(process.memory_full_info().pss for process in family(pid)) / 2**20


def family(pid: int) -> list[psutil.Process]:
    """A slot's pool parent, and the child that does the work."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def handing_in(ground: Ground, book: Book) -> None:
    """`submit_items_per_s`, `submit_rss_mb`, and the broker's memory with such a job in it."""
    keys = ("submit_items_per_s", "submit_rss_mb", "broker_mb", "broker_rss_mb")
    if not book.wants(*keys):
        return
    yard = ground.yard()
    crowd = yard.home / "million"
    print(f"  making {MANY} links", flush=True)
    for n in range(FOLDERS):
        copy = ground.folder / f"link-{n}.jpg"
        copy.write_bytes(ground.tiny[n].read_bytes())
        linked([copy], crowd / f"{n:02d}", MANY // FOLDERS)
    rates, peaks, broker = [], [], []
    for number in range(min(MANY_ROUNDS, ground.rounds)):
        answer, took_s, peak_mb = measured(
            yard.environment(), "submit", crowd, "--recipe", "detect", "--again", "--json"
        )
        assert answer["items"] == MANY, answer
        broker.append(broker_memory_mb(yard.state))
        yard.ok("cancel", answer["job_id"])
        shutil.rmtree(yard.home / "jobs" / answer["job_id"], ignore_errors=True)
        rates.append(MANY / took_s)
        peaks.append(peak_mb)
        print(f"  handing in, round {number + 1}: {took_s:.1f} s, {peak_mb:.0f} MB", flush=True)
    shutil.rmtree(crowd)
    book.figure("submit_items_per_s", rates)
    book.figure("submit_rss_mb", peaks)
    book.figure("broker_mb", [used for used, _ in broker])
    book.figure("broker_rss_mb", [rss for _, rss in broker])


def measured(environment: dict[str, str], *arguments: object) -> Any:
    """A farm command's JSON answer, its seconds, and its peak of memory in MB."""
    command = [sys.executable, "-m", "nasfarm", *map(str, arguments)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def broker_memory_mb(state: Path) -> tuple[float, float]:
    """What the broker keeps, and what its process occupies, in MB."""
    url = (state / "broker" / "admin_url").read_text()
    with redis.Redis.from_url(url) as client:
        facts: Any = client.info("memory")
    return facts["used_memory"] / 2**20, facts["used_memory_rss"] / 2**20
