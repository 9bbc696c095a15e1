"""Recipes that an installed package brings: found without importing it, run by their names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nasfarm.core.findings import Finding
from nasfarm.core.items import Item
from nasfarm.core.lines import Fault
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.core.reduced import Fact
from nasfarm.errors import RejectError, StorageError, UnknownNameError
from nasfarm.recipe_specs import installed
from nasfarm.recipe_specs.specs import known, load, load_file, names
from nasfarm_workers.pixels import Picture
from nasfarm_workers.recipes import maps
from nasfarm_workers.recipes.lines import lines_of
from nasfarm_workers.recipes.maps import map_named
from nasfarm_workers.recipes.reduces import reduced_by
from shelves import install

RECIPE = ResolvedRecipe("shelves", "shelf", (), {}, 2, 0, "shelf_hours")
LINES = [
    {"i": n, "status": "ok", "taken_at": f"2026-05-04T1{n}:00:00", "count": n} for n in range(4)
]


@pytest.fixture
def shelves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package, in the middle of this process's life as at its start."""
    monkeypatch.syspath_prepend(install(tmp_path / "site"))
    forget()
    yield tmp_path / "site"
    forget()
    for name in [name for name in sys.modules if name.startswith("their_shelves")]:
        del sys.modules[name]


def forget() -> None:
    for cached in (installed._entries, installed.recipe_files, known, maps._brought):
        cached.cache_clear()


def test_its_recipes_stand_beside_the_others_and_own_ones_may_be_like_them(
    shelves: Path, tmp_path: Path
) -> None:
    assert {"shelves", "narrow", "detect"} <= set(names(tmp_path))
    assert load(tmp_path, "shelves").reduce == "shelf_hours"
    assert load(tmp_path, "narrow").params[0].default == 0.4
    own = tmp_path / "mine.yml"
    own.write_text("like: shelves\nset: {score: 0.9}\nzones: {a: [[0, 0], [0, 1], [1, 1]]}\n")
    assert (load(tmp_path, "mine").map, load(tmp_path, "mine").params[0].default) == ("shelf", 0.9)
    own.write_text("help: h\nstages: [{name: a, model: m}]\nmap: shelf\nreduce: shelf_breaks\n")
    assert load(tmp_path, "mine").reduce == "shelf_breaks"


def test_an_own_recipe_does_not_take_its_name(shelves: Path, tmp_path: Path) -> None:
    (tmp_path / "shelves.yml").write_text("like: detect\n")
    with pytest.raises(RejectError, match=r"'shelves' is a recipe of .*their_shelves"):
        load_file(tmp_path / "shelves.yml")


def test_the_side_that_hands_in_imports_neither_the_package_nor_arrays(shelves: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "from nasfarm.recipe_specs import specs\n"
        "specs.load(pathlib.Path('.'), 'shelves'), specs.known()\n"
        "print({'numpy', 'their_shelves'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(shelves)!r})\n{code}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=shelves)
    assert (ran.stdout, ran.stderr) == ("set()\n", "")


def test_its_map_makes_a_line_and_where_it_breaks_off_an_error_line(shelves: Path) -> None:
    items = [Item(n, f"photos:{n}.jpg", 1, 1) for n in range(2)]
    seen = [Picture(np.zeros((1, 1, 3), np.uint8), width, 480) for width in (640, 99)]
    jar = Finding((0, 0, 1, 1), 0.9, 0, "jar")
    good, bad = lines_of(items, seen, [(jar, jar), (jar,)], RECIPE)
    assert (good.fields, good.fault) == ({"count": 2}, None)
    assert bad.fault == Fault("model", "map 'shelf': ValueError: too narrow a shelf")


def test_its_reduce_says_facts_and_tables(shelves: Path) -> None:
    reduced = reduced_by(RECIPE, LINES)
    assert reduced.facts == (Fact("things", 6),)
    assert reduced.tables[0].rows[0] == ("2026-05-04T10", 0)


@pytest.mark.parametrize(
    ("reduce", "words"),
    [
        ("shelf_breaks", "reduce 'shelf_breaks' of recipe 'shelves': ZeroDivisionError"),
        ("shelf_odd", r"table 'hours': got \(1,\), wanted rows of 2 values"),
        ("shelf_gone", "reduce 'shelf_gone' of the package their-shelves: ModuleNotFoundError"),
        ("shelf_our", "no reduce is called 'shelf_our'.*'shelf_hours'.*Install the package"),
    ],
)
def test_a_reduce_that_cannot_is_refused_with_its_reason(
    shelves: Path, reduce: str, words: str
) -> None:
    with pytest.raises(RejectError, match=words):
        reduced_by(replace(RECIPE, reduce=reduce), LINES)


def test_what_reading_the_lines_raises_goes_through_a_reduce(shelves: Path) -> None:
    def away() -> Iterator[dict[str, object]]:
        yield LINES[0]
        raise StorageError("the share is away")

    with pytest.raises(StorageError):
        reduced_by(RECIPE, away())


def test_without_the_package_its_names_are_unknown() -> None:
    with pytest.raises(UnknownNameError, match="no map is called 'shelf'"):
        map_named("shelf")
    with pytest.raises(UnknownNameError, match="no reduce is called 'shelf_hours'"):
        reduced_by(RECIPE, LINES)
