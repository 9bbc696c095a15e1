"""A recipe's name and the user's `--set` values to a recipe in which everything is exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nasfarm.core.models import ModelRef, PinnedModel
from nasfarm.core.recipes import ParamValue, Recipe, ResolvedRecipe, ResolvedStage
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.recipe_specs.params import value_of
from nasfarm.recipe_specs.schema import recipe_from
from nasfarm.storage.atomic import storage_errors
from nasfarm.storage.yaml_file import read_mapping

BUILTIN = Path(__file__).with_name("builtin")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A recipe's values and models after `--set`: every parameter by name, every stage by name."""

    params: Mapping[str, ParamValue]
    models: Mapping[str, ModelRef]


def names(folder: Path | None) -> tuple[str, ...]:
    """Every recipe's name: the built-in ones and those of `folder` ($FARM_HOME/recipes)."""
    return tuple(sorted(_files(BUILTIN).keys() | _files(folder).keys()))


def load(folder: Path | None, name: str) -> Recipe:
    """Read one recipe. Raises UnknownNameError, RejectError for a file that says no recipe."""
    own, builtin = _files(folder).get(name), _files(BUILTIN).get(name)
    if own and builtin:
        raise RejectError(
            f"{own}: '{name}' is a built-in recipe; give your file another name.", code="recipe"
        )
    path = own or builtin
    if path is None:
        raise UnknownNameError.of("recipe", name, names(folder), "See: farm recipes list")
    return recipe_from(read_mapping(path), name, str(path) if own else f"recipe '{name}'")


def with_values(recipe: Recipe, sets: Sequence[str]) -> Chosen:
    """Read `key=value` texts, the last of a key wins.

    A key is a parameter, `model` (of a recipe with one stage) or `<stage>.model`. Raises
    RejectError, UnknownNameError with the nearest key.
    """
    params = {param.name: param for param in recipe.params}
    stages = {f"{stage.name}.model": stage.name for stage in recipe.stages}
    if len(recipe.stages) == 1:
        stages["model"] = recipe.stages[0].name
    values = {param.name: param.default for param in recipe.params}
    models = {stage.name: stage.model for stage in recipe.stages}
    for text in sets:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals:
            raise RejectError(f"--set {text}: wanted key=value, such as score=0.5", code="value")
        if key in stages:
            models[stages[key]] = value.strip()
        elif key in params:
            values[key] = value_of(params[key], value, f"--set {key}")
        else:
            known = [*params, *stages]
            hint = f"See: farm recipes show {recipe.name}"
            raise UnknownNameError.of(f"value of recipe '{recipe.name}'", key, known, hint)
    return Chosen(values, {stage: _model(stage, text) for stage, text in models.items()})


def resolve(
    recipe: Recipe, sets: Sequence[str], pin: Callable[[ModelRef], PinnedModel]
) -> ResolvedRecipe:
    """Fill in values and exact models. `pin` finds a model's version, variant and content.

    Raises what `with_values` and `pin` raise.
    """
    chosen = with_values(recipe, sets)
    return ResolvedRecipe(
        name=recipe.name,
        map=recipe.map,
        stages=tuple(
            ResolvedStage(stage.name, pin(chosen.models[stage.name]), stage.of, stage.head)
            for stage in recipe.stages
        ),
        params=chosen.params,
        chunk_items=recipe.chunk_items,
        max_side=recipe.max_side,
        reduce=recipe.reduce,
        zones=recipe.zones,
        lines=recipe.lines,
    )


def _files(folder: Path | None) -> dict[str, Path]:
    if folder is None:
        return {}
    with storage_errors(folder):
        return {path.stem: path for path in folder.glob("[!.]*.yml")}


def _model(stage: str, text: str) -> ModelRef:
    ref = ModelRef.parse(text)
    if ref is None:
        raise RejectError(
            f"--set {stage}.model: got {text!r}, wanted NAME, NAME@VERSION or NAME/VARIANT",
            code="value",
        )
    return ref
