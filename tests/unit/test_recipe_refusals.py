"""Recipe files that are wrong: each is told its field, what stands there, and how it is right."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from nasfarm.cli import main
from nasfarm.core.models import PinnedModel
from nasfarm.errors import RejectError
from nasfarm.recipe_specs.examples import HEADING, NAME
from nasfarm.recipe_specs.specs import examine, load, load_file

STAGES = "stages: [{name: find, model: boats}]\n"
BEGUN = f"help: boats\n{STAGES}map: detect\n"
LIKE = "like: detect\n"


def params(*entries: str) -> str:
    return BEGUN + "params:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


WRONG = {
    # what the file is
    "no YAML": ("help: [\n", "line 2", "not YAML"),
    "no mapping": ("- help\n", "wrong.yml", "['help']"),
    "a key twice": (BEGUN + "map: ocr\n", "'map'", "twice"),
    "an unknown key": (BEGUN + "mapp: ocr\n", "'mapp'", "is not known"),
    "another name": (BEGUN + "name: other\n", "name:", "'other'"),
    "empty": ("", "stages:", "nothing"),
    "a part within itself": (LIKE + "set: &a {score: *a}\n", "line 2", "'*'"),
    "a part over and over": (
        "a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\n", "line 1", "repeated by '*'",
    ),
    "lists without end": ("[" * 3000, "wrong.yml", "too deep"),
    # help, map, reduce
    "no help": (BEGUN.replace("help: boats\n", ""), "'help'", "missing"),
    "help that is blank": (BEGUN.replace("boats\n", "' '\n", 1), "help:", "' '"),
    "help that is a number": (BEGUN.replace("boats\n", "7\n", 1), "help:", "7"),
    "an unknown map": (BEGUN.replace("map: detect", "map: detct"), "map:", "'detct'"),
    "an unknown reduce": (BEGUN + "reduce: counts\n", "reduce:", "'counts'"),
    "a reduce that is a list": (BEGUN + "reduce: [found]\n", "reduce:", "['found']"),
    # stages
    "no stages": ("help: boats\nstages: []\nmap: detect\n", "stages:", "an empty list"),
    "a stage that is a word": ("help: b\nstages: [find]\nmap: detect\n", "stages", "'find'"),
    "a stage without model": (BEGUN.replace(", model: boats", ""), "'model'", "missing"),
    "a model that is none": (BEGUN.replace("model: boats", "model: a b"), "model:", "'a b'"),
    "a stage of nothing": (BEGUN.replace("boats}", "boats, of: sea}"), "of:", "'sea'"),
    "a stage's unknown key": (BEGUN.replace("boats}", "boats, size: 9}"), "'size'", "stages"),
    "a head that is none": (BEGUN.replace("boats}", "boats, head: nms}"), "head:", "'nms'"),
    # params
    "params that are no list": (BEGUN + "params: 3\n", "params:", "3"),
    "a type that is none": (
        params("name: big, type: size, default: 1, help: h"), "type:", "'size'",
    ),
    "a default of another type": (
        params("name: big, type: integer, default: 1.5, help: h"), "default:", "1.5",
    ),
    "a default out of range": (
        params("name: big, type: number, default: 7, least: 0, most: 1, help: h"), "default:", "7",
    ),
    "a default beyond all numbers": (
        params(f"name: big, type: number, default: {10**400}, help: h"), "default:", "1000",
    ),
    "an integer beyond all numbers": (
        params(f"name: big, type: integer, default: {10**400}, help: h"), "default:", "1000",
    ),
    "a range that is empty": (
        params("name: big, type: number, default: 7, least: 8, most: 1, help: h"), "least:", "8",
    ),
    "a default that is no choice": (
        params("name: how, type: text, default: fast, choices: [slow], help: h"),
        "default:", "'fast'",
    ),
    "choices of a number": (
        params("name: n, type: integer, default: 1, choices: ['1'], help: h"), "choices:", "['1']",
    ),
    "a label that is no choice": (
        params("name: kinds, type: labels, default: [car, bot], choices: [car], help: h"),
        "default:", "'car,bot'",
    ),
    "a parameter twice": (
        params(*["name: big, type: integer, default: 1, help: h"] * 2), "name:", "'big'",
    ),
    "a parameter of every recipe's": (
        params("name: gate, type: text, default: a, help: h"), "name:", "'gate'",
    ),
    # limits
    "no items": (BEGUN + "chunk_items: 0\n", "chunk_items:", "0"),
    "half a side": (BEGUN + "max_side: 0.5\n", "max_side:", "0.5"),
    # zones and lines
    "zones that are a list": (BEGUN + "zones: [[0, 0]]\n", "zones:", "[[0, 0]]"),
    "a zone without a name": (BEGUN + "zones: {1: [[0, 0]]}\n", "zones: name:", "1"),
    "a zone of two corners": (BEGUN + "zones: {a: [[0, 0], [1, 1]]}\n", "zones: a:", "2 corners"),
    "a corner outside": (
        BEGUN + "zones: {a: [[0, 0], [1, 1.5], [0, 1]]}\n", "zones: a: corner 2:", "[1, 1.5]",
    ),
    "a corner of three": (
        BEGUN + "zones: {a: [[0, 0, 0], [1, 1], [0, 1]]}\n", "corner 1:", "[0, 0, 0]",
    ),
    "a corner in words": (
        BEGUN + "zones: {a: [[left, top], [1, 1], [0, 1]]}\n", "corner 1:", "['left', 'top']",
    ),
    "a zone without corners": (BEGUN + "zones: {a: door}\n", "zones: a:", "door"),
    "a zone like an hourglass": (
        BEGUN + "zones: {a: [[0, 0], [1, 1], [1, 0], [0, 1]]}\n", "zones: a:", "its sides cross",
    ),
    "a zone without an area": (
        BEGUN + "zones: {a: [[0, 0], [1, 1], [0.5, 0.5]]}\n", "zones: a:", "an area",
    ),
    "a line of three points": (
        BEGUN + "lines: {a: [[0, 0], [1, 1], [0, 1]]}\n", "lines: a:", "3 points",
    ),
    "a line that is a point": (
        BEGUN + "lines: {a: [[0, 1], [0, 1]]}\n", "lines: a:", "[[0.0, 1.0], [0.0, 1.0]]",
    ),
    # like another
    "like nothing": ("like: detct\n", "like:", "'detct'"),
    "like a number": ("like: 3\n", "like:", "3"),
    "like one, and with stages": (LIKE + STAGES, "'stages'", "is not known"),
    "set that is a word": (LIKE + "set: high\n", "set:", "'high'"),
    "set of what is not there": (LIKE + "set: {scor: 1}\n", "'scor'", "'score'"),
    "set out of range": (LIKE + "set: {score: 2}\n", "set: score:", "'2'"),
    "set to nothing": (LIKE + "set: {score: }\n", "set: score:", "nothing"),
    "set of zones": (LIKE + "set: {zones: {a: 1}}\n", "set: zones:", "{'a': 1}"),
    "a bad model in set": (LIKE + "set: {model: a b}\n", "set: detect.model:", "'a b'"),
    "a bad zone of one like another": (LIKE + "zones: {a: 0}\n", "zones: a:", "0"),
}  # fmt: skip


def example_in(message: str) -> str:
    said, _, shown = message.partition(HEADING)
    assert shown, f"no example: {said}"
    return textwrap.dedent(shown.lstrip("\n"))


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_file_is_told_its_field_its_value_and_an_example_that_works(
    tmp_path: Path, wrong: str
) -> None:
    text, field, value = WRONG[wrong]
    path = tmp_path / "wrong.yml"
    path.write_text(text)
    with pytest.raises(RejectError) as caught:
        load_file(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    said = message.partition(HEADING)[0]
    assert field in said and value in said, said
    path.unlink()
    (tmp_path / f"{NAME}.yml").write_text(example_in(message))
    assert load(tmp_path, NAME).help


@pytest.mark.parametrize(
    ("text", "shown"),
    [(BEGUN + "zones: 3", "zones"), (LIKE + "zones: 3", "zones"), (BEGUN + "lines: 3", "lines"),
     (BEGUN + "params: 3", "params"), (BEGUN + "max_side: -1", "max_side"),
     (LIKE + "set: 3", "set"), (BEGUN + "reduce: 3", "reduce"),
     (BEGUN.replace("boats}", "boats, head: a}"), "head")],
)  # fmt: skip
def test_the_example_has_the_field_that_was_wrong(tmp_path: Path, text: str, shown: str) -> None:
    (tmp_path / "wrong.yml").write_text(text)
    with pytest.raises(RejectError) as caught:
        load(tmp_path, "wrong")
    example = example_in(str(caught.value))
    assert re.search(rf"^(.* )?{shown}:", example, re.M)
    assert ("like:" in example) == text.startswith(LIKE)


@pytest.mark.parametrize(
    ("name", "words"),
    [("My boats.yml", "file name: got 'My boats'"), ("boats.yaml", "file name: got 'boats.yaml'"),
     ("detect.yml", "'detect' is a built-in recipe"), ("gone.yml", "there is no such file")],
)  # fmt: skip
def test_a_file_that_cannot_be_a_recipe_is_told_how_one_is_called(
    tmp_path: Path, name: str, words: str
) -> None:
    if name != "gone.yml":
        (tmp_path / name).write_text(BEGUN)
    with pytest.raises(RejectError, match=words) as caught:
        load_file(tmp_path / name)
    assert f"as {NAME}.yml:" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("like: person-detect\nset: {alert_zone: till}\n", r"\(alert_zone\).*'till'"),
     ("like: person-detect\nset: {labels: persn}\n", r"\(labels\).*'persn'.*'person'"),
     ("like: person-detect\nset: {labels: people}\n", r"'people': did you mean 'person'\?")],
)  # fmt: skip
def test_a_zone_or_label_that_is_not_there_is_told_with_an_example_of_it(
    tmp_path: Path, text: str, words: str
) -> None:
    model = PinnedModel("nanodet-g", 1, "fp32", "0" * 64)
    (tmp_path / "wrong.yml").write_text(text)
    with pytest.raises(RejectError, match=words) as caught:
        examine(load(tmp_path, "wrong"), lambda _: model, lambda *_: ("person", "car", "truck"))
    (tmp_path / f"{NAME}.yml").write_text(example_in(str(caught.value)))
    assert not examine(load(tmp_path, NAME), lambda _: model, lambda *_: ("person", "car", "truck"))


# -- farm recipes check -----------------------------------------------------------------------


def check(home: Path, *words: object) -> tuple[int, str]:
    ran = CliRunner().invoke(main, ["--home", str(home), "recipes", *map(str, words)])
    return ran.exit_code, ran.output


def test_check_reads_a_file_anywhere_and_says_where_to_put_it(tmp_path: Path) -> None:
    path = tmp_path / "street.yml"
    path.write_text(LIKE + "set: {score: 2}\n")
    code, said = check(tmp_path / "home", "check", path)
    assert code == 2
    path.write_text(example_in(said))
    code, said = check(tmp_path / "home", "check", path)
    assert (code, said.split()[0]) == (0, "street:")
    assert f"cp {path} {tmp_path}/home/recipes/" in said
    assert "nanodet-g is not in this home" in said


def test_check_reads_a_recipe_by_its_name_and_list_goes_on_past_a_wrong_one(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "recipes"
    folder.mkdir(parents=True)
    (folder / "street.yml").write_text(LIKE + "set: {score: 2}\n")
    code, said = check(tmp_path / "home", "check", "street")
    assert code == 2 and "score: got '2'" in said
    code, said = check(tmp_path / "home", "list")
    assert code == 0 and "farm recipes check street" in said and "Finds people" in said
    assert check(tmp_path / "home", "check", "detect")[0] == 0
