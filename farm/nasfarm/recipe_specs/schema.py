"""A recipe file's keys and values to a Recipe whose stages and parameters fit together."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from nasfarm.core import wire
from nasfarm.core.models import ModelRef
from nasfarm.core.recipes import (
    FOUND,
    HEADS,
    MOTION,
    NO_GATE,
    WHOLE_IMAGE,
    Param,
    Recipe,
    Stage,
)
from nasfarm.errors import RejectError
from nasfarm.recipe_specs.examples import showing
from nasfarm.recipe_specs.params import LABELS, as_text, checked_param
from nasfarm.recipe_specs.shapes import lines_from, zones_from

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
_KEYS = tuple("name help stages params map reduce zones lines chunk_items max_side".split())
_DEFAULTS: Mapping[str, Any] = {
    "params": [], "reduce": FOUND, "zones": {}, "lines": {}, "chunk_items": 16, "max_side": 0
}  # fmt: skip
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


@dataclass(frozen=True, slots=True)
class Known:
    """The names that `map` and `reduce` may have; None: any."""

    maps: Collection[str] | None = None
    reduces: Collection[str] | None = None


ANY = Known()


def recipe_from(written: Mapping[str, Any], name: str, place: str, known: Known = ANY) -> Recipe:
    """What a recipe file says, checked; the file's name is the recipe's.

    `params`, `reduce`, `zones`, `lines`, `chunk_items` (16) and `max_side` (0) may be left out; in
    a stage `of` (the image), too. known: the maps and reduces there are. Raises
    RejectError that begins with `place` and ends with an example.
    """
    full = {**_DEFAULTS, "name": name, **written}
    check_head(full, name, place, _KEYS)
    with showing("stages"):
        stages = _each(Stage, full, "stages", place, {"of": WHOLE_IMAGE})
        _check_stages(stages, place)
    with showing("head"):
        _check_heads(stages, place)
    with showing("params"):
        params = _each(Param, {"params": _joined(full["params"])}, "params", place, {})
        params = (*_checked_params(params, place), *EVERY)
    with showing("zones"):
        zones = zones_from(full["zones"], place)
    with showing("lines"):
        lines = lines_from(full["lines"], place)
    return Recipe(
        name=name,
        help=text_of(full, "help", place),
        stages=stages,
        params=params,
        map=_code(full, "map", place, known.maps),
        chunk_items=_limited(full, "chunk_items", place, 1, MOST_CHUNK_ITEMS),
        max_side=_limited(full, "max_side", place, 0, MOST_SIDE),
        reduce=_code(full, "reduce", place, known.reduces),
        zones=zones,
        lines=lines,
    )


def check_head(
    full: Mapping[str, Any], name: str, place: str, keys: tuple[str, ...], *, like: bool = False
) -> None:
    """Refuse a name that is none, or another than the file's, and keys that mean nothing."""
    with showing("name", like=like):
        if not _NAME.fullmatch(name):
            raise refused(place, "file name", name, "small letters, digits, - and _, then .yml")
        if full["name"] != name:
            wanted = f"'{name}', the name of the file, or no name"
            raise refused(place, "name", full["name"], wanted)
        for key in full:
            if key not in keys:
                raise RejectError(
                    f"{place}: '{key}' is not known; known are: {', '.join(keys)}", code="recipe"
                )


def text_of(full: Mapping[str, Any], key: str, place: str) -> str:
    """The text under a key. Raises RejectError where there is none."""
    with showing(key):
        value = full.get(key)
        if key not in full:
            raise RejectError(f"{place}: '{key}' is missing", code="recipe")
        if not isinstance(value, str) or not value.strip():
            raise refused(place, key, value, "text")
        return value


def _code(full: Mapping[str, Any], key: str, place: str, known: Collection[str] | None) -> str:
    name = text_of(full, key, place)
    if known is not None and name not in known:
        with showing(key):
            raise refused(place, key, name, f"one of {', '.join(sorted(known))}")
    return name


def _limited(full: Mapping[str, Any], key: str, place: str, least: int, most: int) -> int:
    value = full[key]
    with showing(key):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise refused(place, key, value, f"a whole number from {least} to {most}")
    return value


def _joined(entries: object) -> object:
    """Parameters whose default is a list of labels, with that as the text it is kept as."""
    if not isinstance(entries, list):
        return entries
    return [
        {**entry, "default": as_text(entry["default"])}
        if isinstance(entry, Mapping)
        and entry.get("type") == LABELS
        and isinstance(entry.get("default"), list)
        else entry
        for entry in entries
    ]


def _each(
    kind: type[T], full: Mapping[str, Any], key: str, place: str, defaults: Mapping[str, Any]
) -> tuple[T, ...]:
    entries = full.get(key)
    if not isinstance(entries, list):
        raise refused(place, key, entries, "a list")
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
        words = re.search(r"Expected `([^`]+)`, got `[^`]+` - at `\$\.(\w+)[^`]*`", str(error))
        if not words:
            missing = re.search(r"missing required field `(\w+)`", str(error))
            if missing:
                raise RejectError(f"{place}: '{missing[1]}' is missing", code="recipe") from error
            raise
        wanted = " or ".join(_WORDS.get(word, word) for word in words[1].split(" | "))
        raise refused(place, words[2], written.get(words[2]), wanted) from error


def refused(place: str, key: str, got: object, wanted: str) -> RejectError:
    """A refusal of what stands under a key."""
    found = "nothing" if got is None else repr(got)[:60]
    return RejectError(f"{place}: {key}: got {found}, wanted {wanted}", code="recipe")


def _check_stages(stages: tuple[Stage, ...], place: str) -> None:
    if not stages:
        raise refused(place, "stages", "an empty list", "at least one stage")
    earlier = [WHOLE_IMAGE]
    for stage in stages:
        inner = f"{place}: stage '{stage.name}'"
        if not _NAME.fullmatch(stage.name) or stage.name in earlier:
            wanted = "a name of small letters, digits, - and _ that no other stage has"
            raise refused(inner, "name", stage.name, wanted)
        if stage.of not in earlier:
            wanted = f"what an earlier stage sees or finds: {', '.join(earlier)}"
            raise refused(inner, "of", stage.of, wanted)
        if ModelRef.parse(stage.model) is None:
            raise refused(inner, "model", stage.model, "NAME, NAME@VERSION or NAME/VARIANT")
        earlier.append(stage.name)


def _check_heads(stages: tuple[Stage, ...], place: str) -> None:
    for stage in stages:
        if stage.head and stage.head not in HEADS:
            wanted = f"one of {', '.join(HEADS)}, or no head"
            raise refused(f"{place}: stage '{stage.name}'", "head", stage.head, wanted)


def _checked_params(params: tuple[Param, ...], place: str) -> tuple[Param, ...]:
    taken = {*(param.name for param in EVERY), "model"}  # `--set model=` chooses the model
    checked = []
    for param in params:
        if not _NAME.fullmatch(param.name) or param.name in taken:
            wanted = (
                f"a name of small letters, digits, - and _ other than {', '.join(sorted(taken))}"
            )
            raise refused(f"{place}: params", "name", param.name, wanted)
        taken.add(param.name)
        checked.append(checked_param(param, f"{place}: parameter '{param.name}'"))
    return tuple(checked)
