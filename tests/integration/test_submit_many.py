"""A hundred thousand pictures: their number costs neither memory nor minutes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from farmyard import Farmyard
from pictures import picture

MANY = 100_000
MEASURED = (
    "import json, resource, subprocess, sys; "
    "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True); "
    "peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss; "
    "print(json.dumps({'answer': json.loads(done.stdout), 'peak_mb': peak_kb / 1024}))"
)
"""Runs a command from a small process of its own: a child's peak begins with its parent's size."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a submit answered, its peak of memory in MB, and how long it took in seconds."""

    answer: dict[str, Any]
    peak_mb: float
    seconds: float


def measured_submit(yard: Farmyard, *arguments: object) -> Submitted:
    command = [sys.executable, "-m", "nasfarm", "submit", *map(str, arguments), "--json"]
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        env=yard.environment(), capture_output=True, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    return Submitted(said["answer"], said["peak_mb"], time.monotonic() - begun)


@pytest.fixture
def crowd(folder: Path) -> Iterator[Path]:
    """Ten folders of ten thousand names, each of one small picture (ext4: 65,000 at most)."""
    for n in range(10):
        first = picture(folder / f"{n}" / "IMG_00000.jpg")
        for m in range(1, MANY // 10):
            os.link(first, first.with_name(f"IMG_{m:05d}.jpg"))
    yield folder
    shutil.rmtree(folder)  # not to be kept with what pytest keeps of its last runs


def test_a_hundred_thousand_pictures_are_handed_in_within_150_mb_and_a_minute(
    common_farm: Farmyard, crowd: Path
) -> None:
    dry = measured_submit(common_farm, crowd, "--recipe", "detect", "--dry-run")
    assert dry.answer["items"] == MANY
    real = measured_submit(common_farm, crowd, "--recipe", "detect", "--priority", "low")
    job_id = real.answer["job_id"]
    waiting = common_farm.ok("status", job_id, "--json").json
    common_farm.ok("cancel", job_id)
    assert (real.answer["items"], waiting["items"]) == (MANY, MANY)
    job = json.loads((common_farm.home / "jobs" / job_id / "job.json").read_text())
    assert len(job["plan"]) < 50, "the plan grows with the pictures"
    assert waiting["state"] in ("queued", "running")
    with open(common_farm.home / "jobs" / job_id / "manifest.jsonl", "rb") as manifest:
        numbers = [int(line[5 : line.index(b",")]) for line in manifest]
    assert numbers == list(range(MANY))
    for name, ran in (("dry", dry), ("real", real)):
        print(f"{name}: {ran.seconds:.1f} s, {MANY / ran.seconds:.0f}/s, {ran.peak_mb:.0f} MB")
        assert ran.peak_mb < 150, name
        assert ran.seconds < 60, name
