"""Wrong passwords to the pause before the next try. Pure: the clock's time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field

FREE = 4
"""So many wrong passwords cost nothing: people mistype."""
LONGEST_S = 60.0
FORGET_S = 900.0
MOST = 2000
"""Addresses that are remembered at most."""


@dataclass(slots=True)
class Attempts:
    """How often each address was wrong, and when last."""

    wrong: dict[str, tuple[int, float]] = field(default_factory=dict)

    def wait_s(self, address: str, now_s: float) -> float:
        """How long this address has to wait before it is heard again; 0: not at all."""
        count, last_s = self.wrong.get(address, (0, 0.0))
        if count < FREE:
            return 0.0
        pause_s = min(LONGEST_S, 2.0 ** (count - FREE))
        return max(0.0, last_s + pause_s - now_s)

    def failed(self, address: str, now_s: float) -> None:
        count, last_s = self.wrong.pop(address, (0, now_s))
        if now_s - last_s > FORGET_S:
            count = 0
        while len(self.wrong) >= MOST:
            self.wrong.pop(next(iter(self.wrong)))
        self.wrong[address] = (count + 1, now_s)

    def passed(self, address: str) -> None:
        self.wrong.pop(address, None)
