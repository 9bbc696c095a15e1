"""The boxes of one sequence, picture by picture, to tracks: which of them are the same thing. Pure.

After ByteTrack (Zhang et al., ECCV 2022, https://arxiv.org/abs/2110.06864), with real seconds
between the pictures. ADR 23 says what is different, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nasfarm.core.lines import Box
from nasfarm.core.recipes import Point
from nasfarm_workers.recipes.motion import Motion, overlap

CONFIRMED = 2
"""Seen so often, a thing is believed: what is found only once was as a rule no thing."""

_SURE_OVERLAP, _FAINT_OVERLAP = 0.2, 0.4
"""What a box must share with where a track is thought to be, both made larger by what is not known
of the track; a faint box has to lie better."""

_MOST_REACH = 0.5
"""Where it is not clear where a thing went, it is looked for so far around, in parts of its longer
side; who walks goes further in about a second."""


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

    motion: where it is thought to be. pictures: in how many it was seen. missed, unseen_s: in how
    many it was not since, and for how long. votes: of each label, how surely it was seen as that.
    beside: for whoever watches lines, where it was last clear of each. counted_as: for whoever
    counts tracks by label.
    """

    number: int
    motion: Motion
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

    @property
    def reach(self) -> float:
        """By how many pixels around it is looked for."""
        return min(self.motion.doubt, _MOST_REACH * self.motion.side)

    def let_pass(self, passed_s: float) -> None:
        """So many seconds pass until the next picture, in which it is not seen as yet."""
        self.missed += 1
        self.unseen_s += passed_s
        self.motion.move(passed_s)

    def see(self, candidate: Candidate) -> None:
        """It is there, as this."""
        if self.pictures:
            self.motion.correct(candidate.box)
        self.pictures, self.missed, self.unseen_s = self.pictures + 1, 0, 0.0
        self.votes[candidate.label] = self.votes.get(candidate.label, 0.0) + candidate.score


@dataclass(frozen=True, slots=True)
class Seen:
    """A track in this picture and the box it is thought to fill, smoother than the one found."""

    track: Track
    box: Box


@dataclass(slots=True)
class Tracker:
    """The tracks of one sequence. lost_s: a thing unseen for longer is not looked for any more.

    tracks: those that are looked for. begun: how many there have been.
    """

    lost_s: float
    tracks: list[Track] = field(default_factory=list)
    begun: int = 0

    def follow(self, passed_s: float, candidates: Sequence[Candidate]) -> list[Seen]:
        """The tracks seen in the next picture, `passed_s` seconds after the one before it."""
        for track in self.tracks:
            track.let_pass(passed_s)
        # Who was seen in the picture before is looked for now, however long ago that was.
        here = [t for t in self.tracks if t.missed == 1 or t.unseen_s <= self.lost_s]
        known = [track for track in here if track.confirmed]
        new = [track for track in here if not track.confirmed]
        free = _see(known, [one for one in candidates if one.sure], _SURE_OVERLAP)
        # Who was lost comes back as a sure box only: the others lie anywhere.
        lately = [track for track in known if track.missed == 1]
        _see(lately, [one for one in candidates if not one.sure], _FAINT_OVERLAP)
        free = _see(new, free, _SURE_OVERLAP)
        # Who was seen once and is not found again was nobody.
        self.tracks = [track for track in here if track.confirmed]
        self.tracks += [self._begin(candidate) for candidate in free]
        return [Seen(track, track.motion.box) for track in self.tracks if not track.missed]

    def _begin(self, candidate: Candidate) -> Track:
        self.begun += 1
        track = Track(self.begun, Motion.appeared(candidate.box))
        track.see(candidate)
        return track


def _see(tracks: Sequence[Track], candidates: Sequence[Candidate], least: float) -> list[Candidate]:
    """Give each track its candidate, where there is one that shares `least` with it, so that all
    share the most in total; the candidates that nobody got.
    """
    if not tracks or not candidates:
        return list(candidates)
    near = [
        (row, column, shared)
        for row, (box, reach) in enumerate([(track.motion.box, track.reach) for track in tracks])
        for column, candidate in enumerate(candidates)
        if (shared := overlap(box, candidate.box, reach)) >= least
    ]
    pairs = [(row, column) for row, column, _ in near]
    if len({row for row, _ in pairs}) < len(pairs) or len({n for _, n in pairs}) < len(pairs):
        pairs = _assigned(near, (len(tracks), len(candidates)))
    for row, column in pairs:
        tracks[row].see(candidates[column])
    taken = {column for _, column in pairs}
    return [candidate for n, candidate in enumerate(candidates) if n not in taken]


def _assigned(
    near: Sequence[tuple[int, int, float]], size: tuple[int, int]
) -> list[tuple[int, int]]:
    """Rows and columns, each at most once, whose worth in total is the most. near: row, column and
    worth, above 0; pairs that are not among these are worth nothing.
    """
    # Loaded where two may be taken for each other: 30 MB that a worker otherwise does without.
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    worth = np.zeros(size)
    for row, column, shared in near:
        worth[row, column] = shared
    rows, columns = linear_sum_assignment(worth, maximize=True)
    chosen = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column) for row, column in chosen if worth[row, column] > 0]
