"""Moments and what was found at each to counts in equal steps of time. Pure.

How far the moments lie apart is not known before the last one has come: steps grow as needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from nasfarm_workers.report.clocks import DAY, MONTH, YEAR, floor, following

WIDTHS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, DAY, MONTH, YEAR)
"""Each is a whole number of the one before, so that steps can be put together."""
HELD = 400
SHOWN = 120
"""So many steps are held, and shown; of days more are shown: a year of them."""


@dataclass(frozen=True, slots=True)
class Step:
    """So many items of one step of time, and how often each label was found in them."""

    start_s: int
    items: int
    found: Counter[str]


@dataclass(slots=True)
class Bins:
    """Counts so far: start of a step → how many items, and what was found."""

    width: int = 0
    items: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    pictures: Counter[int] = field(default_factory=Counter)
    found: dict[int, Counter[str]] = field(default_factory=dict)

    def add(self, at_s: float, things: Iterable[str]) -> None:
        """Count an item of that moment."""
        if not self.items:
            self.first_s = self.last_s = at_s
        elif at_s > self.last_s:
            self.last_s = at_s
        elif at_s < self.first_s:
            self.first_s = at_s
        self.items += 1
        start = floor(WIDTHS[self.width], at_s)
        self.pictures[start] += 1
        found = self.found.get(start)
        if found is None:
            found = self.found[start] = Counter()
            if len(self.found) > HELD:
                self._widen()
                found = self.found[floor(WIDTHS[self.width], at_s)]
        for thing in things:
            found[thing] += 1

    def steps(self) -> tuple[int, list[Step]]:
        """How long a step is, and every one from the first to the last, empty ones too."""
        while self._too_fine():
            self._widen()
        width = WIDTHS[self.width]
        steps: list[Step] = []
        start = floor(width, self.first_s)
        while start <= self.last_s and len(steps) < HELD:
            steps.append(Step(start, self.pictures[start], self.found.get(start, Counter())))
            start = following(width, start)
        return width, steps

    def _too_fine(self) -> bool:
        width = WIDTHS[self.width]
        most = HELD - 2 if width == DAY else SHOWN
        return width != YEAR and (self.last_s - self.first_s) / width > most

    def _widen(self) -> None:
        while self.width < len(WIDTHS) - 1:
            self.width += 1
            width = WIDTHS[self.width]
            pictures: Counter[int] = Counter()
            found: dict[int, Counter[str]] = {}
            for start, counts in self.found.items():
                wide = floor(width, start)
                pictures[wide] += self.pictures[start]
                found.setdefault(wide, Counter()).update(counts)
            self.pictures, self.found = pictures, found
            if len(found) <= HELD:
                return
