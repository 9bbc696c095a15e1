"""How long a child ran, again and again, to how long to wait before its next start. Pure."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_S = 0.5
LONGEST_S = 30.0
WELL_S = 60.0
"""A life as long as this clears the record."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The record of one child: deaths in a row, none of them after a life of WELL_S or more."""

    deaths: int = 0

    def after(self, ran_s: float) -> Backoff:
        """The record after one more death, of a life of `ran_s` seconds."""
        return Backoff(1 if ran_s >= WELL_S else self.deaths + 1)

    @property
    def delay_s(self) -> float:
        """Seconds until the next start: at once after the first death, then .5, 1, 2 … 30."""
        if self.deaths <= 1:
            return 0.0
        # The exponent is capped before the power: a child may die for years.
        return min(LONGEST_S, FIRST_S * 2.0 ** min(self.deaths - 2, 10))
