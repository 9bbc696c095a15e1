"""How fast chunks went to how fast the next ones will go, for each kind of work, in Redis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import redis

from nasfarm.broker.connection import broker_errors
from nasfarm.core.recipes import ResolvedRecipe

RATES = "farm:rates"
"""Kind of work → images a second and slot, averaged by done.lua; the same of each node in a key of
its own. Lost, it is measured again."""

MEMORY_S = 6.0
"""What took so many seconds weighs half of all before it; what was short, next to nothing."""


@dataclass(frozen=True, slots=True)
class Timed:
    """So many good images of one kind of work took a slot of a node so many seconds."""

    work: str
    node: str
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

    def on(self, nodes: Iterable[str], recipe: ResolvedRecipe) -> dict[str, float]:
        """The same for each of these nodes; one that did no such work yet goes as all do.

        Empty where none did.
        """
        names, work = list(nodes), work_of(recipe)
        with broker_errors(), self._client.pipeline(transaction=False) as pipe:
            for key in (RATES, *map(rates_of, names)):
                pipe.hget(key, work)
            everywhere, *said = pipe.execute()
        if everywhere is None:
            return {}
        return {name: float(one or everywhere) for name, one in zip(names, said, strict=True)}


def rates_of(node: str) -> str:
    """The key with a node's own rates."""
    return f"{RATES}:{node}"


def work_of(recipe: ResolvedRecipe) -> str:
    """The kind of work: `detect nanodet-g@1/int8`; behind a gate, ` gated`, as it goes faster."""
    return f"{recipe.name} {recipe.models}{' gated' if recipe.gated else ''}"


def weight(seconds: float) -> float:
    """How much what took so long counts against the average before it: 0 to 1."""
    return seconds / (seconds + MEMORY_S)
