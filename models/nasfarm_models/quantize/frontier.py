"""How much of a model stays FP32 to how well and how fast it does, and which of that to take. Pure.

What stays FP32 is one run of convolutions from the start: there rounding hurts most, and single
FP32 layers between INT8 ones would cost a change of memory layout each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from nasfarm_models.compare import Agreement
from nasfarm_models.quantize.gates import misses, quality

RangeKind = Literal["full", "searched"]
KINDS: tuple[RangeKind, ...] = ("full", "searched")

_MARGIN = 0.3
"""Part of the way from the gates to 1.0 that is asked for on top: few photos choose."""
_IN_A_ROW = 2
"""Lengths in a row that have to hold: with few photos a single one may do so by luck."""


@dataclass(frozen=True, slots=True)
class Tried:
    """kept: convolutions from the start that stay FP32. ranges: how activations' ranges were found.
    agreement: with FP32, on the photos to choose by.
    """

    kept: int
    ranges: RangeKind
    agreement: Agreement


def lengths(convolutions: int) -> tuple[int, ...]:
    """Runs worth a try: none, then by about a quarter more each, up to half of the model."""
    found = [0, 3]
    while found[-1] < convolutions // 2:
        found.append(found[-1] + max(2, found[-1] // 4))
    return tuple(each for each in found if each <= convolutions // 2)


def explore(
    convolutions: int, measure: Callable[[int, RangeKind], Agreement]
) -> tuple[tuple[Tried, ...], Tried]:
    """Grow the run until the gates hold; everything that was tried, and what to take.

    Full ranges come first: searched ones cut off what the photos rarely show and others may show
    often. They are for models that full ranges are too coarse for.
    measure: a length and a kind of ranges → agreement with FP32.
    """
    tried: list[Tried] = []
    for kind in KINDS:
        grown = _grown(convolutions, kind, measure)
        tried += grown
        if settled(grown):
            return tuple(tried), grown[-1]
    return tuple(tried), max(tried, key=lambda each: (quality(each.agreement), -each.kept))


def _grown(
    convolutions: int, kind: RangeKind, measure: Callable[[int, RangeKind], Agreement]
) -> list[Tried]:
    tried: list[Tried] = []
    for kept in lengths(convolutions):
        tried.append(Tried(kept, kind, measure(kept, kind)))
        if settled(tried):
            break
    return tried


def settled(tried: Sequence[Tried]) -> bool:
    """Whether the last lengths, two in a row, meet the gates with something to spare."""
    last = tried[-_IN_A_ROW:]
    return len(last) == _IN_A_ROW and not any(misses(each.agreement, _MARGIN) for each in last)
