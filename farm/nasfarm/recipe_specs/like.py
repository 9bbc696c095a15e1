"""A recipe file that says what is other than in a recipe that is there, to a Recipe. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nasfarm.core.recipes import Recipe
from nasfarm.errors import RejectError
from nasfarm.recipe_specs.chosen import Chosen, with_values
from nasfarm.recipe_specs.examples import showing
from nasfarm.recipe_specs.params import as_text
from nasfarm.recipe_specs.schema import check_head, refused, text_of
from nasfarm.recipe_specs.shapes import lines_from, zones_from

_KEYS = tuple("name help like set zones lines".split())


def like_from(
    written: Mapping[str, Any], name: str, place: str, other: Callable[[str], Recipe]
) -> Recipe:
    """The recipe under `like` with the values of `set`; `zones` and `lines` take the place of its.

    All but `like` may be left out. other: a recipe that is not an own one, by its name. Raises
    RejectError that begins with `place` and ends with an example.
    """
    full = {"name": name, **written}
    check_head(full, name, place, _KEYS, like=True)
    named = text_of(full, "like", place)
    with showing("like"):
        base = _base(named, place, other)
    with showing("set"):
        chosen = _chosen(base, full.get("set", {}), place)
    with showing("zones", like=True):
        zones = zones_from(full["zones"], place) if "zones" in full else base.zones
    with showing("lines", like=True):
        lines = lines_from(full["lines"], place) if "lines" in full else base.lines
    return replace(
        base,
        name=name,
        help=text_of(full, "help", place) if "help" in full else base.help,
        stages=tuple(replace(s, model=str(chosen.models[s.name])) for s in base.stages),
        params=tuple(replace(p, default=chosen.params[p.name]) for p in base.params),
        zones=zones,
        lines=lines,
    )


def _base(name: str, place: str, other: Callable[[str], Recipe]) -> Recipe:
    try:
        return other(name)
    except RejectError as error:
        raise RejectError(f"{place}: like: {error}", code="recipe") from error


def _chosen(base: Recipe, values: object, place: str) -> Chosen:
    if not isinstance(values, Mapping):
        raise refused(place, "set", values, "values by name, such as {score: 0.5}")
    for key, value in values.items():
        if isinstance(value, Mapping) or value is None or key in ("zones", "lines"):
            wanted = "one value; zones and lines have keys of their own"
            raise refused(place, f"set: {key}", value, wanted)
    texts = [f"{key}={as_text(value)}" for key, value in values.items()]
    try:
        return with_values(base, texts, "set:")
    except RejectError as error:
        raise RejectError(f"{place}: {error}", code="recipe") from error
