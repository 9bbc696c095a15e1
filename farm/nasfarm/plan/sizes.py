"""A measured rate and a number of slots to how many items each chunk holds. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

TARGET_S, LEAST_S = 3.0, 0.3
"""A chunk is that much work at most, and at the tail about the other. Claim, publish and hint cost
a chunk some 15 ms: half a percent of the first, five of the second."""

BATCH_ITEMS = 8
"""What a model eats at once: where work is fast, no chunk is cut smaller for an even end."""

MOST_ITEMS = 512
"""A chunk that killed two workers is run image by image, so its length is bounded."""

SLOTS = 4
"""Assumed where no node is there to count them: what small NAS boxes have."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Items of a chunk: `most` in the middle of a job, `least` at its end, shared by `slots`."""

    most: int
    least: int
    slots: int

    def cut(self, items: int) -> Iterator[tuple[int, int]]:
        """(chunk size, items cut that way) from a job's first item to its last.

        Factoring (Hummel, Schonberg, Flynn 1992): every round gives each slot one chunk of half an
        equal share of what is left, so rounds shrink by halves and there are only a few of them.
        """
        body = max(0, items - 2 * self.slots * self.most) // self.most * self.most
        if body:
            yield self.most, body
        left = items - body
        while left > 2 * self.slots * self.least:
            size = min(self.most, -(-left // (2 * self.slots)))
            yield size, size * self.slots
            left -= size * self.slots
        if left:
            yield self.even(left), left

    def even(self, items: int) -> int:
        """The size of equal chunks no larger than `least`, as many for one slot as for another."""
        rounds = -(-items // (self.slots * self.least))
        return -(-items // (self.slots * rounds))


def sizes(rate: float | None, slots: int, chunk_items: int) -> Sizes:
    """Sizes for work that goes at `rate` images a second and slot.

    While that is not known, the recipe's `chunk_items` are taken for a whole chunk's work.
    """
    per_s = chunk_items / TARGET_S if rate is None else rate
    most = min(MOST_ITEMS, max(1, int(per_s * TARGET_S + 0.5)))
    most -= most % BATCH_ITEMS if most > BATCH_ITEMS else 0  # the last batch is a whole one, too
    least = min(BATCH_ITEMS, max(1, int(per_s * LEAST_S + 0.5)))
    return Sizes(most, least, slots or SLOTS)
