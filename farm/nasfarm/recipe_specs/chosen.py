"""A recipe and `key=value` texts to its values, models, zones and lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nasfarm.core.models import ModelRef
from nasfarm.core.recipes import ParamValue, Recipe, Shapes
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.recipe_specs.params import value_of
from nasfarm.recipe_specs.shapes import lines_from, zones_from
from nasfarm.storage.yaml_file import parse_mapping

_SHAPES = {"zones": zones_from, "lines": lines_from}
_DRAWN = {
    "zones": "zones={door: [[0.1, 0.2], [0.3, 0.2], [0.3, 0.9]]}",
    "lines": "lines={kerb: [[0, 0.7], [1, 0.7]]}",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A recipe's values and models after `--set`: every parameter by name, every stage by name."""

    params: Mapping[str, ParamValue]
    models: Mapping[str, ModelRef]
    zones: Shapes
    lines: Shapes


def with_values(recipe: Recipe, sets: Sequence[str], place: str = "--set") -> Chosen:
    """Read `key=value` texts, the last of a key wins.

    A key is a parameter, `model` (of a recipe with one stage), `<stage>.model`, or `zones` and
    `lines`, whose value is YAML on one line and replaces all of the recipe's. place: where the
    texts stand. Raises RejectError, UnknownNameError with the nearest key.
    """
    params = {param.name: param for param in recipe.params}
    stages = {f"{stage.name}.model": stage.name for stage in recipe.stages}
    if len(recipe.stages) == 1:
        stages["model"] = recipe.stages[0].name
    values = {param.name: param.default for param in recipe.params}
    models = {stage.name: stage.model for stage in recipe.stages}
    shapes = {"zones": recipe.zones, "lines": recipe.lines}
    for text in sets:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals:
            raise RejectError(f"{place} {text}: wanted key=value, such as score=0.5", code="value")
        if key in stages:
            models[stages[key]] = value.strip()
        elif key in params:
            values[key] = value_of(params[key], value, f"{place} {key}")
        elif key in shapes:
            shapes[key] = _drawn(key, value, place)
        else:
            known = [*params, *stages, *shapes]
            hint = f"See: farm recipes show {recipe.name}"
            raise UnknownNameError.of(f"value of recipe '{recipe.name}'", key, known, hint)
    exact = {stage: _model(stage, text, place) for stage, text in models.items()}
    return Chosen(values, exact, shapes["zones"], shapes["lines"])


def _drawn(key: str, text: str, place: str) -> Shapes:
    """Zones or lines from YAML on one line."""
    try:
        return _SHAPES[key](parse_mapping(text.encode(), f"{place} {key}"), place)
    except RejectError as error:
        raise RejectError(f"{error}\nAn example: --set '{_DRAWN[key]}'", code="value") from error


def _model(stage: str, text: str, place: str) -> ModelRef:
    ref = ModelRef.parse(text)
    if ref is None:
        raise RejectError(
            f"{place} {stage}.model: got {text!r}, wanted NAME, NAME@VERSION or NAME/VARIANT",
            code="value",
        )
    return ref
