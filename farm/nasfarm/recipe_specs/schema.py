"""A recipe file's keys and values to a Recipe whose stages and parameters fit together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from nasfarm.core import wire
from nasfarm.core.models import ModelRef
from nasfarm.core.recipes import MOTION, NO_GATE, WHOLE_IMAGE, Param, Recipe, Stage
from nasfarm.errors import RejectError
from nasfarm.recipe_specs.params import checked_param

PICTURES = Param(
    name="pictures",
    type="integer",
    default=0,
    help="How many pictures, with what was found drawn in, are kept with the results.",
    least=0,
    most=1000,
)
GATE = Param(
    name="gate",
    type="text",
    default=NO_GATE,
    help="motion: frames of a fixed camera that did not change inherit the result before them.",
    choices=(NO_GATE, MOTION),
)
EVERY = (PICTURES, GATE)
"""Every recipe has these parameters."""

MOST_CHUNK_ITEMS = 1024
MOST_SIDE = 32_768
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_DEFAULTS: Mapping[str, Any] = {"params": [], "chunk_items": 16, "max_side": 0}
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "array": "a list",
    "object": "lines of the form 'name: value'",
    "bool": "true or false",
    "null": "nothing",
}
T = TypeVar("T")


def recipe_from(written: Mapping[str, Any], name: str, place: str) -> Recipe:
    """What a recipe file says, checked; the file's name is the recipe's.

    `params`, `chunk_items` (16) and `max_side` (0) may be left out; in a stage `of` (the image),
    too. Raises RejectError that begins with `place`.
    """
    full = {**_DEFAULTS, "name": name, **written}
    if not _NAME.fullmatch(name):
        raise _refused(place, "file name", name, "small letters, digits, - and _, then .yml")
    if full["name"] != name:
        raise _refused(place, "name", full["name"], f"'{name}', the name of the file, or no name")
    stages = _each(Stage, full, "stages", place, {"of": WHOLE_IMAGE})
    params = _each(Param, full, "params", place, {})
    rest = _convert(Recipe, {**full, "stages": [], "params": []}, place)
    _check_limit(place, "chunk_items", rest.chunk_items, 1, MOST_CHUNK_ITEMS)
    _check_limit(place, "max_side", rest.max_side, 0, MOST_SIDE)
    _check_stages(stages, place)
    return Recipe(
        name=name,
        help=rest.help,
        stages=stages,
        params=(*_checked_params(params, place), *EVERY),
        map=rest.map,
        chunk_items=rest.chunk_items,
        max_side=rest.max_side,
        reduce=rest.reduce,
        zones=rest.zones,
        lines=rest.lines,
    )


def _each(
    kind: type[T], full: Mapping[str, Any], key: str, place: str, defaults: Mapping[str, Any]
) -> tuple[T, ...]:
    entries = full.get(key)
    if not isinstance(entries, list):
        raise _refused(place, key, entries, "a list")
    values = []
    for number, entry in enumerate(entries, start=1):
        inner = f"{place}: {key}, entry {number}"
        if not isinstance(entry, Mapping):
            raise RejectError(f"{inner}: got {entry!r}, wanted {_WORDS['object']}", code="recipe")
        values.append(_convert(kind, {**defaults, **entry}, inner))
    return tuple(values)


def _convert(kind: type[T], written: Mapping[str, Any], place: str) -> T:
    try:
        return wire.convert(kind, written, place)
    except RejectError as error:
        # msgspec speaks of types and paths; a recipe's author thinks in fields and values.
        words = re.search(r"Expected `([^`]+)`, got `[^`]+` - at `\$\.(\w+)`", str(error))
        if not words:
            missing = re.search(r"missing required field `(\w+)`", str(error))
            if missing:
                raise RejectError(f"{place}: '{missing[1]}' is missing", code="recipe") from error
            raise
        wanted = " or ".join(_WORDS.get(word, word) for word in words[1].split(" | "))
        raise _refused(place, words[2], written.get(words[2]), wanted) from error


def _refused(place: str, key: str, got: object, wanted: str) -> RejectError:
    found = "nothing" if got is None else repr(got)[:60]
    return RejectError(f"{place}: {key}: got {found}, wanted {wanted}", code="recipe")


def _check_limit(place: str, key: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise _refused(place, key, value, f"a whole number from {least} to {most}")


def _check_stages(stages: tuple[Stage, ...], place: str) -> None:
    if not stages:
        raise _refused(place, "stages", "an empty list", "at least one stage")
    earlier = [WHOLE_IMAGE]
    for stage in stages:
        inner = f"{place}: stage '{stage.name}'"
        if not _NAME.fullmatch(stage.name) or stage.name in earlier:
            wanted = "a name of small letters, digits, - and _ that no other stage has"
            raise _refused(inner, "name", stage.name, wanted)
        if stage.of not in earlier:
            wanted = f"what an earlier stage sees or finds: {', '.join(earlier)}"
            raise _refused(inner, "of", stage.of, wanted)
        if ModelRef.parse(stage.model) is None:
            raise _refused(inner, "model", stage.model, "NAME, NAME@VERSION or NAME/VARIANT")
        earlier.append(stage.name)


def _checked_params(params: tuple[Param, ...], place: str) -> tuple[Param, ...]:
    taken = {*(param.name for param in EVERY), "model"}  # `--set model=` chooses the model
    checked = []
    for param in params:
        if not _NAME.fullmatch(param.name) or param.name in taken:
            wanted = (
                f"a name of small letters, digits, - and _ other than {', '.join(sorted(taken))}"
            )
            raise _refused(f"{place}: params", "name", param.name, wanted)
        taken.add(param.name)
        checked.append(checked_param(param, f"{place}: parameter '{param.name}'"))
    return tuple(checked)
