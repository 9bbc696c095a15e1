"""All lines of a job, in manifest order, to what its summary and report say of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nasfarm.core.recipes import FOUND, ResolvedRecipe
from nasfarm.core.reduced import Reduced
from nasfarm.errors import UnknownNameError

Record = Mapping[str, Any]
"""A result line as its JSON document."""

Reduce = Callable[[Iterable[Record], ResolvedRecipe], Reduced]
"""Reads the lines once, from the first, and holds none: there may be a million."""


def found(lines: Iterable[Record], _recipe: ResolvedRecipe) -> Reduced:
    """Nothing beyond what is counted for every job."""
    for _ in lines:
        pass
    return Reduced()


def reduce_named(name: str) -> Reduce:
    """The reduce of that name. Raises UnknownNameError with the nearest name there is."""
    if name not in _REDUCES:
        raise UnknownNameError.of("reduce", name, _REDUCES, "Check `reduce` in the recipe.")
    return _REDUCES[name]


_REDUCES: dict[str, Reduce] = {FOUND: found}
