"""People who walk through an empty picture: where they truly are, and what a detector would say."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from motmetrics import MOTAccumulator
from numpy.typing import NDArray

from nasfarm.core.lines import Box
from nasfarm_workers.recipes.motion import overlap
from nasfarm_workers.recipes.tracks import Candidate, Tracker

TALL, WIDE = 100.0, 40.0
"""Pixels of somebody."""

SURE, FAINT = 0.8, 0.2
"""Scores of somebody in plain sight, and of somebody half hidden."""


@dataclass(frozen=True, slots=True)
class Walker:
    """Goes straight on from a foot point in pixels, so many pixels a second, while he is there.

    hidden, dim: from when to when nothing is found of him, or only a faint box.
    """

    x: float
    y: float
    right: float = 0.0
    down: float = 0.0
    from_s: float = 0.0
    to_s: float = float("inf")
    hidden: tuple[float, float] = (0.0, 0.0)
    dim: tuple[float, float] = (0.0, 0.0)

    def box(self, at_s: float) -> Box:
        gone_s = at_s - self.from_s
        x, y = self.x + self.right * gone_s, self.y + self.down * gone_s
        return (x - WIDE / 2, y - TALL, x + WIDE / 2, y)


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment: who is where by his number, what was found, and how long after the last one."""

    at_s: float
    passed_s: float
    there: Mapping[int, Box]
    found: Sequence[Candidate]


def evenly(seconds: float, rate: float) -> list[float]:
    """The moments of a video of so many pictures a second."""
    return [n / rate for n in range(round(seconds * rate))]


def unevenly(seconds: float, least_s: float, most_s: float, chance: random.Random) -> list[float]:
    """Moments with any step between the two."""
    moments = [0.0]
    while moments[-1] < seconds:
        moments.append(round(moments[-1] + chance.uniform(least_s, most_s), 3))
    return moments


def pictures(
    walkers: Sequence[Walker],
    moments: Sequence[float],
    chance: random.Random,
    off: float = 2.0,
    misses: float = 0.0,
) -> list[Picture]:
    """What happens. off: pixels by which a found edge is wrong; misses: so often somebody is not
    found at all.
    """  # fmt: skip
    shown, before_s = [], moments[0]
    for at_s in moments:
        there = {n: w.box(at_s) for n, w in enumerate(walkers) if w.from_s <= at_s < w.to_s}
        found = [
            _found(walkers[n], box, at_s, chance, off)
            for n, box in there.items()
            if not _within(at_s, walkers[n].hidden) and chance.random() >= misses
        ]
        chance.shuffle(found)
        shown.append(Picture(at_s, at_s - before_s, there, found))
        before_s = at_s
    return shown


def _found(walker: Walker, box: Box, at_s: float, chance: random.Random, off: float) -> Candidate:
    x1, y1, x2, y2 = (side + chance.gauss(0, off) for side in box)
    dim = _within(at_s, walker.dim)
    return Candidate("person", FAINT if dim else SURE, (x1, y1, x2, y2), sure=not dim)


def _within(at_s: float, span: tuple[float, float]) -> bool:
    return span[0] <= at_s < span[1]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tracker made of it. tracks: confirmed ones; the others as motmetrics counts them."""

    tracks: int
    switches: int
    missed: int
    wrong: int
    right: int


def outcome(shown: Iterable[Picture], tracker: Tracker) -> Outcome:
    """Follow everybody, and compare track by track with who it was."""
    book = MOTAccumulator(auto_id=True)
    numbers = set()
    for picture in shown:
        seen = [
            one for one in tracker.follow(picture.passed_s, picture.found) if one.track.confirmed
        ]
        numbers |= {one.track.number for one in seen}
        book.update(
            list(picture.there),
            [one.track.number for one in seen],
            _apart(list(picture.there.values()), [one.box for one in seen]),
        )
    kinds = book.mot_events.Type.value_counts()
    switches, missed, wrong, right = (
        int(kinds.get(kind, 0)) for kind in ("SWITCH", "MISS", "FP", "MATCH")
    )
    return Outcome(len(numbers), switches, missed, wrong, right)


def _apart(truth: Sequence[Box], seen: Sequence[Box]) -> NDArray[np.float64]:
    """1 - overlap of each with each; not a number where it is less than half."""
    shared = np.array([[overlap(one, other, 0) for other in seen] for one in truth])
    return np.where(shared >= 0.5, 1 - shared, np.nan)
