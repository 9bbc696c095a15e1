"""A recipe's name and the user's `--set` values to a recipe in which everything is exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from nasfarm.core.models import ModelRef, PinnedModel
from nasfarm.core.recipes import FOUND, Recipe, ResolvedRecipe, ResolvedStage
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.recipe_specs.chosen import with_values
from nasfarm.recipe_specs.examples import showing
from nasfarm.recipe_specs.installed import code_names, recipe_files
from nasfarm.recipe_specs.like import like_from
from nasfarm.recipe_specs.named import check_labels, check_zone
from nasfarm.recipe_specs.schema import Known, recipe_from, refused
from nasfarm.storage.atomic import storage_errors
from nasfarm.storage.yaml_file import read_mapping

BUILTIN = Path(__file__).with_name("builtin")


def names(folder: Path | None) -> tuple[str, ...]:
    """Every recipe's name: the built-in ones, those of `folder` ($FARM_HOME/recipes) and those of
    installed packages; without a folder the built-in ones alone.
    """
    brought = recipe_files() if folder else {}
    return tuple(sorted(_files(BUILTIN).keys() | _files(folder).keys() | brought.keys()))


def load(folder: Path | None, name: str) -> Recipe:
    """Read one recipe. Raises UnknownNameError, RejectError for a file that says no recipe."""
    own = _files(folder).get(name)
    if own:
        return load_file(own)
    if name not in _files(BUILTIN) and not (folder and name in recipe_files()):
        raise UnknownNameError.of("recipe", name, names(folder), "See: farm recipes list")
    return _other(name)


def load_file(path: Path) -> Recipe:
    """Read an own recipe, wherever it lies. Raises RejectError with an example of what works."""
    with showing("help"):
        _check_file(path)
        written = read_mapping(path)
    if "like" in written:
        return like_from(written, path.stem, str(path), _other)
    return recipe_from(written, path.stem, str(path), known())


@cache
def known() -> Known:
    """The names that `map` and `reduce` may have: those that other recipes have, and those that
    installed packages bring. The code itself is the workers', which this side does not import.
    """
    files = [*_files(BUILTIN).values(), *recipe_files().values()]
    written = [read_mapping(path) for path in files]
    said = {
        kind: {each[kind] for each in written if isinstance(each.get(kind), str)}
        for kind in ("map", "reduce")
    }
    return Known(
        said["map"] | set(code_names("map")), said["reduce"] | {FOUND} | set(code_names("reduce"))
    )


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
        zones=chosen.zones,
        lines=chosen.lines,
    )


def examine(
    recipe: Recipe, pin: Callable[[ModelRef], PinnedModel],
    labels: Callable[[str, str], Sequence[str]],
) -> dict[str, str]:  # fmt: skip
    """The recipe's models that `pin` does not find, each with the reason.

    What its values name is checked as a job's is, labels where all models are there. Raises as
    `check_named`, with an example.
    """
    chosen = with_values(recipe, ())
    with showing("alert_zone"):
        check_zone(recipe.name, chosen.params, chosen.zones)
    lacking = {}
    for model in {stage.model: None for stage in recipe.stages}:
        try:
            pin(ModelRef.parse(model) or ModelRef(model))
        except RejectError as error:
            lacking[model] = str(error)
    if not lacking:
        with showing("labels"):
            check_labels(resolve(recipe, (), pin), labels)
    return lacking


def _check_file(path: Path) -> None:
    taken = _of_others(path.stem)
    if taken:
        whose = "built-in recipe" if taken.parent == BUILTIN else f"recipe of {taken.parent}"
        raise RejectError(
            f"{path}: '{path.stem}' is a {whose}; give your file another name.", code="recipe"
        )
    if path.suffix != ".yml":
        raise refused(str(path), "file name", path.name, "a recipe's name and then .yml")
    with storage_errors(path):
        if not path.is_file():
            raise RejectError(f"{path}: there is no such file", code="recipe")


def _other(name: str) -> Recipe:
    """A recipe that is not an own one: built in, or brought by an installed package."""
    brought = recipe_files().get(name) if name not in _files(BUILTIN) else None
    if brought is None:
        return _builtin(name)
    written, place = read_mapping(brought), str(brought)
    if "like" in written:
        return like_from(written, name, place, _builtin)
    return recipe_from(written, name, place)


def _builtin(name: str) -> Recipe:
    files = _files(BUILTIN)
    if name not in files:
        raise UnknownNameError.of("built-in recipe", name, files, "See: farm recipes list")
    return recipe_from(read_mapping(files[name]), name, f"recipe '{name}'")


def _of_others(name: str) -> Path | None:
    """The file of a built-in recipe, or of one that an installed package brings."""
    return _files(BUILTIN).get(name) or recipe_files().get(name)


def _files(folder: Path | None) -> dict[str, Path]:
    if folder is None:
        return {}
    with storage_errors(folder):
        return {path.stem: path for path in folder.glob("[!.]*.yml")}
