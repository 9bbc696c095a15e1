"""Two variants of a detector and example pictures to what differs: findings, size, speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nasfarm.core.findings import Finding
from nasfarm.core.lines import Box
from nasfarm_models.catalog import KnownModel
from nasfarm_workers.heads.registry import head_named
from nasfarm_workers.runtime.batch import Batch
from nasfarm_workers.runtime.session import Session, open_session

_SURE = 0.35
"""A score from which on a finding counts: the `detect` recipe's default."""
_SEEN = 0.2
"""The second variant may be this unsure of what the first is sure of, and still has seen it."""
_OVERLAP = 0.5
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the second variant differs from the first.

    sure: what the first finds with a score of at least 0.35. shared: how many of those the second
        finds too: same label, boxes overlapping by half.
    score_difference: mean over the shared, 0..1.
    size_ratio: bytes of the second over the first. speed_ratio: images/s likewise, one thread.
    """

    sure: int
    shared: int
    score_difference: float
    size_ratio: float
    speed_ratio: float

    def __str__(self) -> str:
        return (
            f"{self.shared} of {self.sure} findings shared, their scores "
            f"{self.score_difference:.3f} apart; {self.size_ratio:.2f} × the size, "
            f"{self.speed_ratio:.2f} × the speed"
        )


def compare(
    first: Path, second: Path, model: KnownModel, labels: Sequence[str], examples: Sequence[Batch]
) -> Comparison:
    """Run both on the same pictures, by turns, so that a busy machine slows both alike."""
    sessions = [open_session(path, threads=1) for path in (first, second)]
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for example in examples:
            for session, took in zip(sessions, seconds, strict=True):
                start = time.perf_counter()
                session.run(example.tensor)
                took.append(time.perf_counter() - start)
    sure = 0
    apart = []
    for example in examples:
        wanted = find(sessions[0], model, labels, example, _SURE)
        others = find(sessions[1], model, labels, example, _SEEN)
        sure += len(wanted)
        apart += [abs(one.score - other.score) for one, other in _pairs(wanted, others)]
    return Comparison(
        sure=sure,
        shared=len(apart),
        score_difference=statistics.fmean(apart) if apart else 0.0,
        size_ratio=second.stat().st_size / first.stat().st_size,
        speed_ratio=statistics.median(seconds[0]) / statistics.median(seconds[1]),
    )


def find(
    session: Session, model: KnownModel, labels: Sequence[str], example: Batch, score: float
) -> list[Finding]:
    """What the model's head finds on the example, all rows in one list. Raises RejectError."""
    outputs = session.run(example.tensor)
    head = head_named(model.head)
    rows = head(outputs, example.seen, model.head_options, {"score": score}, labels)
    return [finding for row in rows for finding in row]


def _pairs(wanted: Sequence[Finding], others: Sequence[Finding]) -> list[tuple[Finding, Finding]]:
    """Each wanted finding, best first, with the other of its label that overlaps it most."""
    left = list(others)
    pairs = []
    for one in wanted:
        same = [other for other in left if other.class_id == one.class_id]
        best = max(same, key=lambda other: overlap(one.box, other.box), default=None)
        if best is not None and overlap(one.box, best.box) >= _OVERLAP:
            left.remove(best)
            pairs.append((one, best))
    return pairs


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
