"""The boxes of one sequence, picture by picture, to tracks: which of them are the same thing. Pure.

After ByteTrack (Zhang et al., ECCV 2022, https://arxiv.org/abs/2110.06864), with real seconds
between the pictures. ADR 23 says what is different, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nasfarm.core.lines import Box
from nasfarm.core.recipes import Point
from nasfarm_workers.recipes.motion import (
    Boxes,
    State,
    appeared,
    boxes_of,
    corrected,
    doubt,
    moved,
    overlaps,
    sides,
)

CONFIRMED = 2
"""Seen so often, a thing is believed: what is found only once was as a rule no thing."""

_SURE_OVERLAP, _FAINT_OVERLAP = 0.2, 0.4
"""What a box must share with where a track is thought to be, both made larger by what is not known
of the track; a faint box has to lie better."""

_MOST_REACH = 0.5
"""Where it is not clear where a thing went, it is looked for so far around, in parts of its longer
side; who walks goes further in about a second."""

_NOBODY: State = appeared(np.zeros((0, 4)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A box to be followed, in pixels. sure: it may begin a track; others only continue one."""

    label: str
    score: float
    box: Box
    sure: bool = True


@dataclass(slots=True)
class Track:
    """One thing in one sequence. number: from 1, in the order in which they were found.

    pictures: in how many it was seen. missed, unseen_s: in how many it was not since, and for how
    long. votes: of each label, how surely it was seen as that. beside: for whoever watches lines,
    where it was last clear of each. counted_as: for whoever counts tracks by label.
    """

    number: int
    pictures: int = 0
    missed: int = 0
    unseen_s: float = 0.0
    votes: dict[str, float] = field(default_factory=dict)
    beside: dict[str, Point] = field(default_factory=dict)
    counted_as: str = ""

    @property
    def confirmed(self) -> bool:
        """Whether it was seen often enough to be believed."""
        return self.pictures >= CONFIRMED

    @property
    def label(self) -> str:
        """What it was seen as most surely, over all its pictures."""
        return max(self.votes, key=lambda label: (self.votes[label], label))

    def see(self, candidate: Candidate) -> None:
        """It is there, as this."""
        self.pictures, self.missed, self.unseen_s = self.pictures + 1, 0, 0.0
        self.votes[candidate.label] = self.votes.get(candidate.label, 0.0) + candidate.score


@dataclass(frozen=True, slots=True)
class Seen:
    """A track in this picture and the box it is thought to fill, smoother than the one found."""

    track: Track
    box: Box


class Tracker:
    """The tracks of one sequence. lost_s: a thing unseen for longer is not looked for any more."""

    def __init__(self, lost_s: float) -> None:
        self._lost_s = lost_s
        self._tracks: list[Track] = []
        self._state: State = _NOBODY
        self._fresh: list[Box] = []  # of the last tracks, which have no state before time passes
        self._begun = 0

    def follow(self, passed_s: float, candidates: Sequence[Candidate]) -> list[Seen]:
        """The tracks seen in the next picture, `passed_s` seconds after the one before it."""
        taken: set[int] = set()
        if self._tracks:  # a still without neighbours costs no numpy at all
            self._let_pass(passed_s)
            boxes = np.array([c.box for c in candidates], np.float64).reshape(len(candidates), 4)
            pairs = self._pairs(boxes, candidates)
            self._see(pairs, boxes, candidates)
            taken = {place for _, place in pairs}
        self._begin([c for n, c in enumerate(candidates) if c.sure and n not in taken])
        return self._seen()

    def _seen(self) -> list[Seen]:
        boxes = boxes_of(self._state).tolist() if len(self._state) else ()
        known = [(x1, y1, x2, y2) for x1, y1, x2, y2 in boxes]
        both = zip(self._tracks, known + self._fresh, strict=True)
        return [Seen(track, box) for track, box in both if not track.missed]

    def _let_pass(self, passed_s: float) -> None:
        """Who was seen in the picture before is looked for now, however long ago that was."""
        self._state = np.concatenate([self._state, appeared(np.array(self._fresh).reshape(-1, 4))])
        self._fresh = []
        for track in self._tracks:
            track.missed += 1
            track.unseen_s += passed_s
        self._keep(
            n for n, t in enumerate(self._tracks) if t.missed == 1 or t.unseen_s <= self._lost_s
        )
        self._state = moved(self._state, passed_s)

    def _pairs(self, boxes: Boxes, candidates: Sequence[Candidate]) -> list[tuple[int, int]]:
        """Places of a track and of its box: sure boxes first, then others, then new tracks."""
        reach = np.minimum(doubt(self._state), _MOST_REACH * sides(self._state))
        shared = overlaps(boxes_of(self._state), boxes, reach)
        known = [n for n, track in enumerate(self._tracks) if track.confirmed]
        sure = [n for n, one in enumerate(candidates) if one.sure]
        pairs = _assigned(shared, known, sure, _SURE_OVERLAP)
        found, taken = {n for n, _ in pairs}, {n for _, n in pairs}
        # Who was lost comes back as a sure box only: the others lie anywhere.
        lately = [n for n in known if n not in found and self._tracks[n].missed == 1]
        faint = [n for n, one in enumerate(candidates) if not one.sure]
        new = [n for n, track in enumerate(self._tracks) if not track.confirmed]
        free = [n for n in sure if n not in taken]
        pairs += _assigned(shared, lately, faint, _FAINT_OVERLAP)
        return pairs + _assigned(shared, new, free, _SURE_OVERLAP)

    def _see(
        self, pairs: Sequence[tuple[int, int]], boxes: Boxes, candidates: Sequence[Candidate]
    ) -> None:
        """Take in what was found, and drop tracks that were seen once and are not found again."""
        rows, places = [row for row, _ in pairs], [place for _, place in pairs]
        self._state[rows] = corrected(self._state[rows], boxes[places])
        for row, place in pairs:
            self._tracks[row].see(candidates[place])
        self._keep(n for n, track in enumerate(self._tracks) if track.confirmed)

    def _begin(self, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            self._begun += 1
            self._tracks.append(Track(self._begun))
            self._tracks[-1].see(candidate)
            self._fresh.append(candidate.box)

    def _keep(self, rows: Iterable[int]) -> None:
        kept = list(rows)
        if len(kept) < len(self._tracks):
            self._tracks, self._state = [self._tracks[row] for row in kept], self._state[kept]


def _assigned(
    shared: NDArray[np.float64], rows: Sequence[int], columns: Sequence[int], least: float
) -> list[tuple[int, int]]:
    """Pairs of a row and a column, each at most once, that share `least` and the most in total."""
    if not rows or not columns:
        return []
    # Loaded when something is followed: 30 MB that a worker otherwise does without.
    from scipy.optimize import linear_sum_assignment

    part = shared[np.ix_(rows, columns)]
    worth = np.where(part >= least, part, 0.0)
    chosen = zip(*linear_sum_assignment(worth, maximize=True), strict=True)
    return [(rows[row], columns[column]) for row, column in chosen if worth[row, column] > 0]
