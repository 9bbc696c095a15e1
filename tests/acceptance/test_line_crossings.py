"""A video of a road through the farm: who crosses a line, beside what was counted by eye."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from farmyard import Farmyard
from vtest import COUNTED, FRAMES, needs_vtest

COUNTED_FRAMES, NEAR_FRAMES = 600, 15
"""Counted by eye in the first minute, every half second; feet cover the line for about as long."""

Crossing = tuple[int, str]
"""Frame, and `right` or `left`."""


def by_eye() -> list[Crossing]:
    with (COUNTED / "crossings.csv").open() as file:
        return [(int(row["frame"]), row["direction"]) for row in csv.DictReader(file)]


def by_farm(job: Path) -> Iterator[Crossing]:
    with (job / "tables" / "crossings.csv").open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            # The line was drawn from the top down, over which inwards is to the right.
            yield int(row["frame"]), {"in": "right", "out": "left"}[row["direction"]]


def pairs(seen: Sequence[Crossing], told: Sequence[Crossing]) -> int:
    """How many of those seen were told, the same way and at about that time; each once."""
    left, found = list(told), 0
    for frame, way in seen:
        near = [one for one in left if one[1] == way and abs(one[0] - frame) <= NEAR_FRAMES]
        if near:
            left.remove(min(near, key=lambda one: abs(one[0] - frame)))
            found += 1
    return found


def test_most_who_cross_the_line_are_counted_the_right_way(
    running_farm: Farmyard, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = running_farm.folder / "videos"
    videos.mkdir()
    shutil.copy(needs_vtest(), videos)
    running_farm.ok("roots", "add", "videos", videos)
    line = yaml.safe_load((COUNTED / "scene.yml").read_text())["line"]
    recipe = {"like": "people-count", "help": "The road.", "lines": {"road": line}}
    own = running_farm.home / "recipes" / "road.yml"
    own.parent.mkdir(exist_ok=True)
    own.write_text(yaml.safe_dump(recipe))
    answer = running_farm.submit(videos / "vtest.avi", "--recipe", "road", timeout_s=300)
    assert (answer["state"], answer["ok"], answer["errors"]) == ("done", FRAMES, 0)
    seen = by_eye()
    job = running_farm.home / "jobs" / answer["job_id"]
    told = [one for one in by_farm(job) if one[0] < COUNTED_FRAMES]
    right, left = ([way for _, way in told].count(way) for way in ("right", "left"))
    found = pairs(seen, told)
    with capsys.disabled():
        print(f"\nby eye 7 right, 10 left; counted {right} right, {left} left; the same: {found}")
        print(f"{answer['images_per_s']:.1f} images/s")
    assert abs(right - 7) <= 1
    assert abs(left - 10) <= 1
    assert found >= 15
