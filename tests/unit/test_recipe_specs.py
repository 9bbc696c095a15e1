"""Recipes: the built-in ones, own ones, what a bad file is told, what `--set` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasfarm.core.models import ModelRef, PinnedModel
from nasfarm.core.recipes import Recipe
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.recipe_specs.chosen import with_values
from nasfarm.recipe_specs.specs import known, load, names, resolve
from nasfarm_workers.recipes.maps import _MAPS
from nasfarm_workers.recipes.reduces import _REDUCES

OWN = """
help: finds boats
stages:
  - {name: find, model: boats}
params:
  - {name: score, type: number, default: 1, least: 0, most: 1, help: how sure}
  - {name: most, type: integer, default: 5, least: 1, help: how many}
  - {name: title, type: text, default: boats, help: a heading}
  - {name: strict, type: flag, default: false, help: no doubts}
  - {name: kinds, type: labels, default: [bus, car], choices: [car, bus], help: which}
map: detect
"""


def pin(ref: ModelRef) -> PinnedModel:
    return PinnedModel(ref.name, ref.version or "9", ref.variant or "int8", "ab" * 32)


def own(folder: Path, text: str = OWN, name: str = "boats") -> Recipe:
    (folder / f"{name}.yml").write_text(text)
    return load(folder, name)


def test_detect_is_one_stage_over_the_image() -> None:
    recipe = resolve(load(None, "detect"), [], pin)
    assert [(s.name, s.of, str(s.model)) for s in recipe.stages] == [
        ("detect", "image", "nanodet-g@9/int8")
    ]
    assert recipe.params == {"score": 0.35, "pictures": 0, "gate": "none"}
    assert (recipe.map, recipe.chunk_items, recipe.max_side) == ("detect", 32, 0)


def test_one_model_serves_two_recipes_by_another_head() -> None:
    classify, embed = (resolve(load(None, name), [], pin) for name in ("classify", "embed"))
    assert classify.models == embed.models == "efficientnet-lite0@9/int8"
    assert [stage.head for stage in (*classify.stages, *embed.stages)] == ["", "embed"]
    assert classify.params == {"top": 5, "score": 0.1, "pictures": 0, "gate": "none"}
    assert embed.params == {"pictures": 0, "gate": "none"}


def test_ocr_finds_turns_and_reads() -> None:
    recipe = resolve(load(None, "ocr"), [], pin)
    assert [(s.name, s.of, s.model.name) for s in recipe.stages] == [
        ("det", "image", "ppocr-v4-det"),
        ("cls", "det", "ppocr-v4-cls"),
        ("rec", "cls", "ppocr-v4-rec"),
    ]
    assert recipe.params == {"score": 0.5, "pictures": 0, "gate": "none"}
    assert (recipe.map, recipe.chunk_items, recipe.max_side) == ("ocr", 8, 2000)


def test_own_recipes_are_named_beside_the_built_in_ones(tmp_path: Path) -> None:
    own(tmp_path)
    (tmp_path / ".hidden.yml").write_text("")
    builtin = names(tmp_path / "missing")
    assert {"detect", "heatmap", "ocr", "person-detect", "vehicle-detect"} < set(builtin)
    assert names(tmp_path) == tuple(sorted(["boats", *builtin]))


def test_an_own_recipe_may_leave_out_what_has_a_default(tmp_path: Path) -> None:
    recipe = own(tmp_path)
    assert recipe.stages[0].of == "image"
    assert (recipe.chunk_items, recipe.max_side) == (16, 0)
    assert [param.name for param in recipe.params[-2:]] == ["pictures", "gate"]
    assert repr(recipe.params[0].default) == "1.0"


def test_an_own_recipe_may_not_take_a_built_in_name(tmp_path: Path) -> None:
    with pytest.raises(RejectError, match="'detect' is a built-in recipe"):
        own(tmp_path, name="detect")


@pytest.mark.parametrize("name", ["detct", "../detect", ""])
def test_an_unknown_recipe_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownNameError, match="no recipe is called"):
        load(tmp_path, name)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param("map: detect", "", "'map' is missing", id="missing"),
        pytest.param("map: detect", "mapp: x", "'mapp' is not known; .*map", id="unknown"),
        pytest.param("map: detect", "map: 3", "map: got 3, wanted text", id="type"),
        pytest.param(
            "map: detect",
            "map: detect\nchunk_items: 0",
            "chunk_items: got 0, wanted a whole number from 1 to",
            id="range",
        ),
        pytest.param("name: find, ", "", "stages, entry 1: 'name' is missing", id="stage-name"),
        pytest.param(
            "model: boats", "model: boats, size: 2", "'size' is not known", id="stage-key"
        ),
        pytest.param("model: boats", "model: b c", "model: got 'b c', wanted NAME", id="model"),
        pytest.param(
            "model: boats",
            "model: boats, of: det",
            "stage 'find': of: got 'det', wanted .*: image",
            id="of",
        ),
        pytest.param("name: find", "name: image", "name: got 'image'", id="stage-image"),
        pytest.param(
            "- {name: find, model: boats}",
            "- {name: a, model: m, of: b}\n  - {name: b, model: m}",
            r"of: got 'b', wanted .*: image\n",
            id="of-later",
        ),
        pytest.param("- {name: find, model: boats}", "[]", "at least one stage", id="no-stage"),
        pytest.param("default: 5", "default: few", "default: got 'few', wanted", id="default-type"),
        pytest.param("default: 5", "default: 0", "default: got 0, wanted .* least 1", id="default"),
        pytest.param("name: most", "name: score", "name: got 'score'", id="param-twice"),
        pytest.param("name: most", "name: pictures", "name: got 'pictures'", id="param-common"),
        pytest.param("name: most", "name: model", "name: got 'model'", id="param-model"),
        pytest.param("type: text", "type: words", "got 'words', wanted one of number", id="kind"),
        pytest.param("help: finds", "name: ships\nhelp: f", "name: got 'ships'", id="other-name"),
    ],
)
def test_a_bad_file_is_told_which_field_and_what_was_wanted(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert old in OWN
    with pytest.raises(RejectError, match=words) as caught:
        own(tmp_path, OWN.replace(old, new))
    assert str(caught.value).startswith(str(tmp_path / "boats.yml"))


def test_a_file_name_that_is_no_recipe_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RejectError, match="file name: got 'My boats'"):
        own(tmp_path, name="My boats")


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        pytest.param("score=0.50", "score", 0.5, id="number"),
        pytest.param("score = .5 ", "score", 0.5, id="spaces"),
        pytest.param("most=7", "most", 7, id="integer"),
        pytest.param("title=a=b", "title", "a=b", id="equals-in-text"),
        pytest.param("strict=Yes", "strict", True, id="flag"),
        pytest.param("strict=0", "strict", False, id="flag-off"),
        pytest.param("pictures=3", "pictures", 3, id="common"),
        pytest.param("gate=motion", "gate", "motion", id="choice"),
        pytest.param("kinds= bus ,car, bus", "kinds", "bus,car", id="labels"),
        pytest.param("kinds=", "kinds", "", id="no-labels"),
    ],
)
def test_set_reads_a_value_of_its_type(tmp_path: Path, text: str, key: str, value: object) -> None:
    got = with_values(own(tmp_path), [text]).params[key]
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("score=2", "--set score: got '2', wanted a number from 0 to 1", id="range"),
        pytest.param("score=nan", "got 'nan', wanted a number", id="nan"),
        pytest.param("score=", "got '', wanted a number", id="empty"),
        pytest.param("most=1.5", "got '1.5', wanted a whole number of at least 1", id="integer"),
        pytest.param("strict=maybe", "wanted yes or no", id="flag"),
        pytest.param("score", "wanted key=value", id="no-equals"),
        pytest.param("scor=1", "did you mean 'score'", id="unknown"),
        pytest.param("fnd.model=x", "did you mean 'find.model'", id="unknown-stage"),
        pytest.param("model=A B", "wanted NAME, NAME@VERSION", id="model"),
        pytest.param("gate=on", "--set gate: got 'on', wanted one of none, motion", id="choice"),
        pytest.param("kinds=car,bot", "got 'car,bot', wanted some of car, bus", id="labels"),
        pytest.param("zones=[1]", "--set zones: expected lines", id="zones"),
        pytest.param("zones={a: [[0, 0], [1, 1]]}", "--set: zones: a: got 2 corners", id="corners"),
        pytest.param("lines={a: [[0, 0], [1, 2]]}", r"a: end 2: got \[1, 2\]", id="line"),
        pytest.param("lines={a: [[0", "An example: --set 'lines=", id="no-yaml"),
    ],
)
def test_set_refuses_what_does_not_fit(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RejectError, match=words):
        with_values(own(tmp_path), [text])


def test_the_last_value_of_a_key_wins() -> None:
    assert with_values(load(None, "detect"), ["score=.4", "score=.6"]).params["score"] == 0.6


@pytest.mark.parametrize("key", ["model", "detect.model"])
def test_set_chooses_the_model_of_a_single_stage(key: str) -> None:
    recipe = resolve(load(None, "detect"), [f"{key}=mine@3/fp32"], pin)
    assert recipe.models == "mine@3/fp32"


def test_set_chooses_the_model_of_one_stage_of_many() -> None:
    recipe = resolve(load(None, "ocr"), ["rec.model=mine"], pin)
    assert recipe.models == "ppocr-v4-det@9/int8+ppocr-v4-cls@9/int8+mine@9/int8"
    with pytest.raises(UnknownNameError, match="'model'"):
        with_values(load(None, "ocr"), ["model=mine"])


def test_set_draws_zones_and_lines_for_one_job(tmp_path: Path) -> None:
    (tmp_path / "door.yml").write_text(
        "like: detect\nzones: {door: [[0, 0], [0.5, 0], [0, 1]]}\nlines: {sill: [[0, 1], [1, 1]]}\n"
    )
    recipe = load(tmp_path, "door")
    drawn = resolve(recipe, ["zones={门口: [[.1, .2], [.3, .2], [.3, 1]]}"], pin)
    assert drawn.zones == {"门口": ((0.1, 0.2), (0.3, 0.2), (0.3, 1.0))}
    assert drawn.lines == recipe.lines == {"sill": ((0.0, 1.0), (1.0, 1.0))}
    assert resolve(recipe, ["zones="], pin).zones == {}


def test_a_zone_may_end_where_it_begins() -> None:
    recipe = load(None, "detect")
    corners = "[0, 0], [1, 0], [1, 1]"
    closed = with_values(recipe, [f"zones={{a: [{corners}, [0, 0]]}}"])
    assert closed.zones == with_values(recipe, [f"zones={{a: [{corners}]}}"]).zones


def test_a_recipe_may_be_like_a_built_in_one_with_other_values(tmp_path: Path) -> None:
    recipe = own(
        tmp_path,
        "help: signs\nlike: ocr\nset: {score: 0.7, pictures: 3, rec.model: mine@2/fp32}\n",
    )
    there = load(None, "ocr")
    assert (recipe.name, recipe.help, recipe.map) == ("boats", "signs", "ocr")
    assert [stage.model for stage in recipe.stages] == [
        "ppocr-v4-det", "ppocr-v4-cls", "mine@2/fp32",
    ]  # fmt: skip
    assert {param.name: param.default for param in recipe.params} == {
        "score": 0.7, "pictures": 3, "gate": "none",
    }  # fmt: skip
    assert (recipe.chunk_items, recipe.max_side) == (there.chunk_items, there.max_side)
    assert own(tmp_path, "like: ocr\n").help == there.help


def test_a_recipe_is_like_no_own_one(tmp_path: Path) -> None:
    own(tmp_path)
    with pytest.raises(RejectError, match="like: no built-in recipe"):
        own(tmp_path, "like: boats\n", name="ships")


def test_known_maps_and_reduces_are_those_that_workers_have() -> None:
    assert (known().maps, known().reduces) == (set(_MAPS), set(_REDUCES))
