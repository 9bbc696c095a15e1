"""What was done → counts by name and labels, and how they add up. Pure.

Whole numbers, also for seconds (in millionths): they add up to the same in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from nasfarm.core.lease_rules import Cause

STEPS = ("read", "decode", "preprocess", "session", "head", "publish")
"""In the order in which an image goes through them."""

STEP_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds for what a step takes an image: a head 0.5 ms, a large model on a slow box seconds."""

BATCH_ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
STATUSES = ("ok", "error")
LEASE_LOST = "lease"
CAUSES = (*(str(cause) for cause in Cause), LEASE_LOST)
"""Why an attempt was lost: its worker's end, or a lease that ran out."""

NOTICE_KINDS = ("webhook", "mqtt")
OUTCOMES = ("sent", "refused", "failed")
"""Of a notice. failed: the receiver did not answer, and is tried again."""

MICRO = 10**6
_OVER, _SUM = "+Inf", "sum"


@dataclass(frozen=True, slots=True)
class Tally:
    """Name and labels → how many, e.g. `("images", "ok", "nanodet-g@1/int8")` → 32."""

    counts: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        return Tally(Counter(self.counts) + Counter(other.counts))

    def of(self, *name: str) -> int:
        return self.counts.get(name, 0)

    def labels(self, name: str, place: int) -> set[str]:
        """The values that one label has under a name; its first label has place 1."""
        return {key[place] for key in self.counts if key[0] == name and len(key) > place}


def of_chunk(
    seconds: Mapping[str, float], images: int, batches: Mapping[str, Sequence[int]]
) -> Tally:
    """One chunk's run. seconds: by step. batches: model → rows of each run of it."""
    each = ((step, spent / max(1, images)) for step, spent in seconds.items())
    steps = (observed("step", step, [one], STEP_SECONDS) for step, one in each)
    rows = (observed("batch", model, sizes, BATCH_ROWS) for model, sizes in batches.items())
    return sum([*steps, *rows], Tally({("chunks",): 1}))


def of_images(model: str, ok: int, errors: int) -> Tally:
    """Lines that were published. model: that of the recipe's first stage."""
    counts = {("images", "ok", model): ok, ("images", "error", model): errors}
    return Tally({name: number for name, number in counts.items() if number})


def of_lost(cause: str, attempts: int = 1) -> Tally:
    """Attempts that came to nothing. cause: one of CAUSES."""
    return Tally({("lost", cause): attempts} if attempts else {})


def of_notices(kind: str, sent: int, refused: int, failed: int) -> Tally:
    """What a lane did. kind: one of NOTICE_KINDS."""
    counts = zip(OUTCOMES, (sent, refused, failed), strict=True)
    return Tally({("notices", kind, outcome): number for outcome, number in counts if number})


def of_files(recipe: str, files: int) -> Tally:
    """Dropped files that were handed in."""
    return Tally({("files", recipe): files} if files else {})


def observed(name: str, label: str, values: Iterable[float], bounds: Sequence[float]) -> Tally:
    """Values, each in the first of the bounds that it does not pass, and their sum."""
    counts: Counter[tuple[str, ...]] = Counter()
    for value in values:
        bound = next((str(bound) for bound in bounds if value <= bound), _OVER)
        counts[name, label, bound] += 1
        counts[name, label, _SUM] += round(value * MICRO)
    return Tally(counts)


def buckets(
    tally: Tally, name: str, label: str, bounds: Sequence[float]
) -> Iterator[tuple[str, int]]:
    """Each bound and how many values do not pass it, as a histogram is shown; the last is +Inf."""
    names = [*map(str, bounds), _OVER]
    counts = accumulate(tally.of(name, label, bound) for bound in names)
    return zip(names, counts, strict=True)


def total(tally: Tally, name: str, label: str) -> float:
    """The sum of what was observed."""
    return tally.of(name, label, _SUM) / MICRO
