"""What comes with a time to spans of time, few enough for a table and a chart. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar


class Adding(Protocol):
    """What two spans hold can be put together."""

    def take_in(self, other: Self) -> None:
        """Add what the other one holds."""


T = TypeVar("T", bound=Adding)

_WIDTHS_S = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21_600, 86_400)
"""Each is a multiple of the one before, so that a span lies within one of the next width."""


@dataclass(slots=True)
class OverTime(Generic[T]):
    """Spans of equal width, each with a T; the narrowest of which there are `most` or fewer.

    most: 2 or more. level: how wide they are. held: by their place in time. In whichever order
    things come, the spans are the same in the end: they only grow wider, and only if there are too
    many.
    """

    most: int
    level: int = 0
    held: dict[int, T] = field(default_factory=dict)

    def at(self, clock_s: float, empty: Callable[[], T]) -> T:
        """The T of the span in which this time lies, to be added to; an `empty` one at first."""
        place = int(clock_s // _width_s(self.level))
        if place not in self.held:
            self.held[place] = empty()
            self._widen(empty)
            place = int(clock_s // _width_s(self.level))
        return self.held[place]

    def spans(self) -> list[tuple[int, T]]:
        """When each begins, in seconds since 1970, and what it holds; in order."""
        width = _width_s(self.level)
        return [(place * width, self.held[place]) for place in sorted(self.held)]

    def _widen(self, empty: Callable[[], T]) -> None:
        while len(self.held) > self.most:
            narrow, wide = _width_s(self.level), _width_s(self.level + 1)
            spans: dict[int, T] = {}
            for place, one in self.held.items():
                spans.setdefault(place * narrow // wide, empty()).take_in(one)
            self.level, self.held = self.level + 1, spans


def _width_s(level: int) -> int:
    """1 s, 5 s … a day, then ten days, a hundred …"""
    beyond = max(0, level - len(_WIDTHS_S) + 1)
    return _WIDTHS_S[min(level, len(_WIDTHS_S) - 1)] * int(10**beyond)
