"""All lines of a job, in manifest order, to what its summary and report say of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nasfarm.core.recipes import FOUND, ResolvedRecipe
from nasfarm.core.reduced import Reduced
from nasfarm.errors import FarmError, RejectError, UnknownNameError
from nasfarm.recipe_specs.installed import LACKING, code_named, code_names
from nasfarm_workers.recipes.alerts import alerts
from nasfarm_workers.recipes.counting import people_count, vehicle_count
from nasfarm_workers.recipes.heatmap import heatmap
from nasfarm_workers.recipes.sound import check_reduced

Record = Mapping[str, Any]
"""A result line as its JSON document."""

Reduce = Callable[[Iterable[Record], ResolvedRecipe], Reduced]
"""Reads the lines once, from the first, and holds none: there may be a million."""


def found(_lines: Iterable[Record], _recipe: ResolvedRecipe) -> Reduced:
    """Nothing beyond what is counted for every job."""
    return Reduced()


def reduce_named(name: str) -> Reduce:
    """The reduce of that name, ours or an installed package's.

    Raises UnknownNameError with the nearest name there is, RejectError where it cannot be imported.
    """
    reduce = _REDUCES.get(name) or code_named("reduce", name)
    if reduce is None:
        known = [*_REDUCES, *code_names("reduce")]
        raise UnknownNameError.of("reduce", name, known, LACKING)
    return reduce


def reduced_by(recipe: ResolvedRecipe, lines: Iterable[Record]) -> Reduced:
    """What the recipe's reduce makes of the lines, checked.

    Raises RejectError where it breaks off or gives what cannot be shown: asked again, it would
    again. What reading the lines raises goes on as it is.
    """
    reduce = reduce_named(recipe.reduce)
    place = f"reduce '{recipe.reduce}' of recipe '{recipe.name}'"
    try:
        reduced = reduce(lines, recipe)
    except (FarmError, MemoryError):
        raise
    except Exception as error:  # an installed package's code may raise anything
        raise RejectError(f"{place}: {type(error).__name__}: {error}", code="reduce") from error
    check_reduced(reduced, place)
    return reduced


_REDUCES: dict[str, Reduce] = {
    FOUND: found,
    "alerts": alerts,
    "heatmap": heatmap,
    "people_count": people_count,
    "vehicle_count": vehicle_count,
}
