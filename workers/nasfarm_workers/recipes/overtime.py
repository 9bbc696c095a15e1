"""What comes with a time to spans of time, few enough for a table and a chart. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_WIDTHS_S = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21_600, 86_400)
"""Each is a multiple of the one before, so that a span lies within one of the next width."""


class OverTime(Generic[T]):
    """Spans of equal width, each with a T; the narrowest of which there are `most` or fewer.

    most: 2 or more. empty: a new T. take_in: adds a second T to a first. In whichever order things
    come, the spans are the same in the end: they only grow wider, and only if there are too many.
    """

    def __init__(self, most: int, empty: Callable[[], T], take_in: Callable[[T, T], None]) -> None:
        self._most = most
        self._empty = empty
        self._take_in = take_in
        self._level = 0
        self._spans: dict[int, T] = {}

    def at(self, clock_s: float) -> T:
        """The T of the span in which this time lies, to be added to."""
        place = int(clock_s // _width_s(self._level))
        if place not in self._spans:
            self._spans[place] = self._empty()
            self.limit(self._most)
            place = int(clock_s // _width_s(self._level))
        return self._spans[place]

    def limit(self, most: int) -> None:
        """Make the spans so wide that there are `most` or fewer."""
        self._most = most
        while len(self._spans) > most:
            narrow, wide = _width_s(self._level), _width_s(self._level + 1)
            spans: dict[int, T] = {}
            for place, one in self._spans.items():
                self._take_in(spans.setdefault(place * narrow // wide, self._empty()), one)
            self._level, self._spans = self._level + 1, spans

    def spans(self) -> list[tuple[int, T]]:
        """When each begins, in seconds since 1970, and what it holds; in order."""
        width = _width_s(self._level)
        return [(place * width, self._spans[place]) for place in sorted(self._spans)]


def _width_s(level: int) -> int:
    """1 s, 5 s … a day, then ten days, a hundred …"""
    beyond = max(0, level - len(_WIDTHS_S) + 1)
    return _WIDTHS_S[min(level, len(_WIDTHS_S) - 1)] * int(10**beyond)
