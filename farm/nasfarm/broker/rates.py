"""How fast chunks went to how fast the next ones will go, for each kind of work, in Redis."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from nasfarm.broker.connection import broker_errors
from nasfarm.core.recipes import ResolvedRecipe

RATES = "farm:rates"
"""Kind of work → images a second and slot, averaged by done.lua. Lost, it is measured again."""

MEMORY_S = 6.0
"""A sample of so many seconds weighs half of all before it; one that is short, next to nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """So many good images of one kind of work took a slot so many seconds."""

    work: str
    images: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.images / self.seconds


class Rates:
    """The farm's measured pace. Raises BrokerError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def of(self, recipe: ResolvedRecipe) -> float | None:
        """Images a second and slot; None until a first chunk of such work was done."""
        with broker_errors():
            said = self._client.hget(RATES, work_of(recipe))
        return float(str(said)) if said is not None else None


def work_of(recipe: ResolvedRecipe) -> str:
    """The kind of work: `detect nanodet-g@1/int8`; behind a gate, ` gated`, as it goes faster."""
    return f"{recipe.name} {recipe.models}{' gated' if recipe.gated else ''}"


def weight(seconds: float) -> float:
    """How much a sample counts against the average before it: 0 to 1."""
    return seconds / (seconds + MEMORY_S)
