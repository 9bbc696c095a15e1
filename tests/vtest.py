"""Debian's vtest.avi, people on a car park's road, and what was counted in it by eye."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from films import in_sequence
from nasfarm.core.recipes import Point
from nasfarm_workers.pixels import Picture
from needs import needs

VTEST = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
COUNTED = Path(__file__).parent / "data" / "vtest"
WIDTH, HEIGHT, FRAMES, RATE = 768, 576, 795, 10


def needs_vtest() -> Path:
    """The video. Go on only where it is there."""
    needs(VTEST.exists(), "vtest.avi is not here: apt-get install opencv-doc")
    return VTEST


def persons(table: str = "persons.csv") -> dict[int, int]:
    """Frame → how many persons are at least half visible in it."""
    with open(COUNTED / table, newline="") as file:
        return {int(row["frame"]): int(row["persons"]) for row in csv.DictReader(file)}


def walkways() -> tuple[Point, ...]:
    """Corners of the road with both its arms: 33 % of the picture."""
    scene: Any = yaml.safe_load((COUNTED / "scene.yml").read_text())
    return tuple((float(x), float(y)) for x, y in scene["walkways"])


def pictures(numbers: Iterable[int]) -> Iterator[Picture]:
    """The frames of these numbers, in their order."""
    shown = in_sequence(needs_vtest(), numbers)
    for number in sorted(shown):
        yield Picture(shown[number], WIDTH, HEIGHT)
