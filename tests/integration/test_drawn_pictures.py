"""What the reduce step draws: under names any disk takes, once, and without a disk that is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from idle import Idle, idle_farm, worker_of
from nasfarm.core import wire
from nasfarm.core.jobs import Job
from nasfarm.core.leases import REDUCE, Lease
from nasfarm.core.lines import Detection, Line
from nasfarm_workers import tasks
from pictures import pictures

LONG = "照" * 80
"""240 bytes: a disk takes 255."""


@pytest.fixture
def idle(tmp_path: Path, cached_models: None) -> Iterator[Idle]:
    with idle_farm(tmp_path) as farm:
        yield farm


def looked_at(idle: Idle, recipe: str, folder: Path, *sets: str) -> Job:
    """A job over the folder in whose pictures a person stands; all but the reduce step is done."""
    answer = idle.yard.ok("submit", folder, "--recipe", recipe, "--json", *sets).json
    job = idle.farm.job(answer["job_id"])
    for chunk, path in enumerate(sorted(folder.iterdir())):
        person = Detection("person", 0, 0.9, (5.0, 5.0, 60.0, 60.0))
        line = Line(
            chunk, f"{job.roots[0]}:{path.relative_to(roots(idle)[job.roots[0]])}", width=640,
            height=480, taken_at=f"2026-05-04T12:00:0{chunk}", time_source="exif", model="m@1/int8",
            fields={"detections": (person,)},
        )  # fmt: skip
        idle.chunk_file(job, chunk).write_bytes(wire.line_bytes(line, 0))
        idle.farm.broker.leases.done(job.job_id, chunk, job.roots[0], 1, 0, worked=True)
    return job


def roots(idle: Idle) -> dict[str, Path]:
    return {"home": idle.yard.home, **idle.farm.settings.roots}


def reduced(idle: Idle, job: Job) -> str:
    """What its reduce step says."""
    worker = worker_of(idle.farm.settings, idle.broker.url)
    lease = worker.claim(job.job_id, REDUCE)
    assert isinstance(lease, Lease)
    said, _ = tasks.settle(lease, worker)
    return said


def drawn(idle: Idle, job: Job) -> dict[str, int]:
    folder = idle.farm.home.jobs.path(job.job_id) / "pictures"
    return {path.name: path.stat().st_ino for path in folder.iterdir()} if folder.is_dir() else {}


def test_the_longest_names_are_drawn_under_shorter_ones_and_once(idle: Idle) -> None:
    photos = idle.yard.home / "photos"
    first = min(photos.iterdir())
    first.rename(first.with_name(f"{LONG}.jpg"))
    job = looked_at(idle, "detect", photos, "--set", "pictures=2")
    assert reduced(idle, job) == "results written"
    before = drawn(idle, job)
    assert sorted(name[:7] for name in before) == ["000000-", "000001-"]
    assert any("照照照" in name for name in before)
    idle.farm.home.jobs.unfinish(job.job_id)
    idle.farm.broker.leases.register(job.job_id, 2)
    assert reduced(idle, job) == "results written"
    assert drawn(idle, job) == before


@pytest.mark.parametrize("recipe", ["detect", "heatmap"])
def test_a_disk_that_is_away_keeps_no_job_from_its_end(
    idle: Idle, tmp_path: Path, recipe: str
) -> None:
    pictures(tmp_path / "disk" / "photos", 2)
    idle.yard.ok("roots", "add", "disk", tmp_path / "disk")
    job = looked_at(idle, recipe, tmp_path / "disk" / "photos", "--set", "pictures=2")
    (tmp_path / "disk").rename(tmp_path / "away")
    assert reduced(idle, job) == "results written"
    assert set(drawn(idle, job)) == ({"heat.png"} if recipe == "heatmap" else set())
