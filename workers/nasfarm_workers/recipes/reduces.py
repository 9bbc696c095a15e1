"""All lines of a job, in manifest order, to what its summary and report say of them. Pure.

Our own reduces take in line after line and hold plain values, so that a rolling job's next refresh
can go on where the last one was (ADR 29). One of an installed package reads all lines each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from nasfarm.core.recipes import FOUND, ResolvedRecipe
from nasfarm.core.reduced import Reduced
from nasfarm.errors import FarmError, RejectError, UnknownNameError
from nasfarm.recipe_specs.installed import LACKING, code_named, code_names
from nasfarm_workers.recipes.alerts import Alerts
from nasfarm_workers.recipes.counting import PeopleCounting, VehicleCounting
from nasfarm_workers.recipes.heatmap import Standing
from nasfarm_workers.recipes.sound import check_reduced

Record = Mapping[str, Any]
"""A result line as its JSON document."""

Reduce = Callable[[Iterable[Record], ResolvedRecipe], Reduced]
"""Reads the lines once, from the first, and holds none: there may be a million."""


class Reducing(Protocol):
    """What the lines so far come to: a dataclass of plain values, few for any number of lines."""

    @classmethod
    def begun(cls, recipe: ResolvedRecipe) -> Self:
        """Of no line yet."""

    def add(self, record: Record) -> None:
        """Take in the next line."""

    def reduced(self) -> Reduced:
        """What there is to say; more lines may come after it."""


@dataclass(slots=True)
class Nothing:
    """Nothing beyond what is counted for every job."""

    @classmethod
    def begun(cls, _recipe: ResolvedRecipe) -> Self:
        return cls()

    def add(self, record: Record) -> None:
        pass

    def reduced(self) -> Reduced:
        return Reduced()


_REDUCES: dict[str, type[Reducing]] = {
    FOUND: Nothing,
    "alerts": Alerts,
    "heatmap": Standing,
    "people_count": PeopleCounting,
    "vehicle_count": VehicleCounting,
}


def begun(recipe: ResolvedRecipe) -> Reducing | None:
    """The recipe's reduce before its first line; None where it is an installed package's."""
    kind = _REDUCES.get(recipe.reduce)
    return kind.begun(recipe) if kind else None


def installed_reduce(name: str) -> Reduce:
    """An installed package's reduce of that name.

    Raises UnknownNameError with the nearest name there is, RejectError where it cannot be imported.
    """
    reduce = code_named("reduce", name)
    if reduce is None:
        known = [*_REDUCES, *code_names("reduce")]
        raise UnknownNameError.of("reduce", name, known, LACKING)
    return reduce


def reduced_by(
    recipe: ResolvedRecipe, lines: Iterable[Record], so_far: Reducing | None = None
) -> Reduced:
    """What the recipe's reduce makes of the lines, checked; those before them are in `so_far`.

    Raises RejectError where it breaks off or gives what cannot be shown: asked again, it would
    again. What reading the lines raises goes on as it is.
    """
    place = f"reduce '{recipe.reduce}' of recipe '{recipe.name}'"
    reducing = so_far or begun(recipe)
    try:
        if reducing:
            reduced = _all_in(reducing, lines)
        else:
            reduced = installed_reduce(recipe.reduce)(lines, recipe)
    except (FarmError, MemoryError):
        raise
    except Exception as error:  # an installed package's code may raise anything
        raise RejectError(f"{place}: {type(error).__name__}: {error}", code="reduce") from error
    check_reduced(reduced, place)
    return reduced


def _all_in(reducing: Reducing, lines: Iterable[Record]) -> Reduced:
    for line in lines:
        reducing.add(line)
    return reducing.reduced()
