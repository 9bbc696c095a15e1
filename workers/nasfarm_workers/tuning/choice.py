"""Measured rates to the way of running models that is kept. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CPU = "cpu"
BATCHES = (1, 2, 4, 8, 16)

WORTH = 1.03
"""What is not at least so much faster than the default is within the noise: the default stays."""


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """How a machine's cores are used: `slots` processes of `threads` threads each."""

    slots: int
    threads: int
    provider: str = CPU

    def __str__(self) -> str:
        by = "" if self.provider == CPU else f", {self.provider}"
        return f"{self.slots} × {self.threads}{by}"


Rates = Mapping[tuple[Way, int], Sequence[float]]
"""Images a second of the whole machine, by way and batch size, a value a round."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was chosen for one model, in images a second of the whole machine."""

    batch: int
    images_per_s: float
    default_batch: int
    default_images_per_s: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """tune.json: what holds on this machine, as long as its fingerprint is the same.

    machine: the fingerprint. cores: how many were the farm's. threads: cores a slot.
    provider: what runs the models. models: by `name@version/variant`.
    """

    machine: str
    cores: int
    tuned_at: str
    threads: int
    provider: str
    models: Mapping[str, Tuned] = field(default_factory=dict)

    def batch_of(self, model: str, default: int) -> int:
        """Rows a run of the model should eat; `default` where it was not tuned."""
        tuned = self.models.get(model)
        return tuned.batch if tuned else default


def threads_to_try(cores: int) -> list[int]:
    """Cores a slot may have: 1, 2, 4 …, as far as there are so many."""
    return [1 << power for power in range(cores.bit_length()) if 1 << power <= cores]


def chosen_way(default: Way, measured: Sequence[Rates]) -> Way:
    """The way that is fastest over all models, each at its best batch size."""
    found = sorted({way for rates in measured for way, _ in rates})

    def speed(way: Way) -> float:
        return statistics.geometric_mean(_best(rates, way)[1] for rates in measured)

    best = max(found, key=speed)
    return best if speed(best) >= WORTH * speed(default) else default


def chosen_batch(rates: Rates, way: Way, default: int) -> Tuned:
    """The batch size of one model for a way; a smaller one, where two are as fast."""
    batch, best = _best(rates, way)
    before = max(rates[way, default])
    if best < WORTH * before:
        batch, best = default, before
    return Tuned(batch, round(best, 2), default, round(before, 2))


def _best(rates: Rates, way: Way) -> tuple[int, float]:
    """The smallest batch size that is about as fast as the fastest, and its rate.

    Of its rounds the best counts: whatever else the machine does only takes away.
    """
    found = {size: max(each) for (other, size), each in rates.items() if other == way}
    fastest = max(found.values(), default=math.nan)
    size = min(size for size, rate in found.items() if rate * 1.01 >= fastest)
    return size, found[size]
