"""What was measured in rounds to its median, its spread and whether the machine was quiet. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

NOISY = 0.10
"""A wider spread is the machine's and not ours: the figure is then no better than that."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """The same thing measured several times, at least once."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """(highest − lowest) / median; 0 where that is 0."""
        return (max(self.values) - min(self.values)) / abs(self.median) if self.median else 0.0

    @property
    def noisy(self) -> bool:
        return self.spread > NOISY


def in_turn(
    measures: Mapping[str, Callable[[], float]], rounds: int
) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Each measure once a round, one after the other, so that a slow minute meets them all alike.

    Yields the round's number, from 0, and its values; every other round goes backwards.
    """
    for number in range(rounds):
        names = list(measures)[:: -1 if number % 2 else 1]
        yield number, {name: measures[name]() for name in names}


def there_and_back(
    measures: Mapping[str, Callable[[], float]], rounds: int
) -> Iterator[tuple[int, Mapping[str, float]]]:
    """As `in_turn`, of rates, each measured twice a round: first to last, then last to first.

    A machine that slows down under load, as shared ones do, would else favour who comes first. A
    round's value is the rate over both.
    """
    for number in range(rounds):
        names = list(measures)[:: -1 if number % 2 else 1]
        there = {name: measures[name]() for name in names}
        back = {name: measures[name]() for name in reversed(names)}
        yield number, {name: 2 / (1 / there[name] + 1 / back[name]) for name in names}


def ratios(above: Sequence[float], below: Sequence[float]) -> Rounds:
    """Round by round: what both were slowed by falls out."""
    return Rounds(tuple(one / other for one, other in zip(above, below, strict=True)))
