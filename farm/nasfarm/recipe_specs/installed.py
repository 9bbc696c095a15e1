"""Installed packages that bring recipes to their recipe files and their code.

A package names in the group `nasfarm.recipes` of its entry points the folder with its recipe files,
and as `map.NAME` and `reduce.NAME` its code. Files are found without importing the package: the
side that hands in runs without arrays and models.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nasfarm.errors import RejectError

GROUP = "nasfarm.recipes"
KINDS = ("map", "reduce")

LACKING = "Install the package that brings it on every node, then: farm retry JOB"
"""What mends a node that does not have the code a job needs."""


@cache
def _entries() -> tuple[EntryPoint, ...]:
    # What is installed while a process runs is seen by the next one.
    return tuple(sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)))


@cache
def recipe_files() -> dict[str, Path]:
    """Recipe's name → its file, of all packages; of two of one name the first package's."""
    found: dict[str, Path] = {}
    for entry in _entries():
        if _kind(entry) is None:
            for folder in _folders(entry):
                for path in sorted(folder.glob("[!.]*.yml")):
                    found.setdefault(path.stem, path)
    return found


def code_names(kind: str) -> list[str]:
    """The maps, or the reduces, that packages bring."""
    return [entry.name.partition(".")[2] for entry in _entries() if _kind(entry) == kind]


def code_named(kind: str, name: str) -> Callable[..., Any] | None:
    """A package's map or reduce, imported now; None where no package brings one of that name.

    Raises RejectError where the package cannot be imported.
    """
    entry = next((entry for entry in _entries() if entry.name == f"{kind}.{name}"), None)
    if entry is None:
        return None
    try:
        code: Callable[..., Any] = entry.load()
    except Exception as error:  # whatever a package's import may raise
        package = entry.dist.name if entry.dist else entry.value
        raise RejectError(
            f"{kind} '{name}' of the package {package}: {type(error).__name__}: {error}. Install "
            "the package anew on this node.",
            code="recipe",
        ) from error
    return code


def _kind(entry: EntryPoint) -> str | None:
    kind, dot, _ = entry.name.partition(".")
    return kind if dot and kind in KINDS else None


def _folders(entry: EntryPoint) -> list[Path]:
    """The folder `package.folder` of an entry, wherever the package lies."""
    package, *below = entry.value.split(".")
    spec: ModuleSpec | None = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return [Path(place, *below) for place in places or ()]
