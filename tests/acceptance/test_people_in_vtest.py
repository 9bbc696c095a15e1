"""People and vehicles in a real video, against what was counted and drawn by eye."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from PIL import Image

from farmyard import Farmyard
from nasfarm.core import wire
from nasfarm.core.items import Frame
from nasfarm.core.lines import Line
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm_workers.recipes.maps import map_named
from stages import Stages
from vtest import FRAMES, HEIGHT, RATE, WIDTH, needs_vtest, persons, pictures, walkways

TOGETHER = 16


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Stages:
    return Stages(tmp_path_factory.mktemp("stages"))


def lines(stages: Stages, recipe: ResolvedRecipe, frames: list[int]) -> dict[int, Any]:
    """Frame → its result line, as JSON has it."""
    seen = list(pictures(frames))
    said = map_named(recipe.map)
    found: dict[int, Any] = {}
    for start in range(0, len(seen), TOGETHER):
        batch = stages.find(seen[start : start + TOGETHER], recipe)
        for number, findings in zip(frames[start:], batch, strict=False):
            fields = said(findings, (WIDTH, HEIGHT), recipe)
            frame = Frame(number, number / RATE)
            line = Line(number, "films:vtest.avi", None, WIDTH, HEIGHT, frame=frame, fields=fields)
            found[number] = json.loads(wire.line_bytes(line, 0))
    return found


def misses(stages: Stages, counted: Mapping[int, int]) -> list[int]:
    """Of each frame, how many more persons were found than counted."""
    found = lines(stages, stages.recipe("person-detect"), sorted(counted))
    return [len(found[number]["detections"]) - counted[number] for number in sorted(counted)]


@pytest.mark.short
def test_persons_are_counted_right_but_for_one_in_15_of_20_frames(stages: Stages) -> None:
    off = misses(stages, persons())
    print(f"found more than counted: {off}; {sum(not miss for miss in off)} of {len(off)} exact")
    assert len(off) == 20
    assert sum(abs(miss) <= 1 for miss in off) >= 15


@pytest.mark.short
def test_the_score_was_chosen_on_other_frames(stages: Stages) -> None:
    others = persons("chosen_on.csv")
    assert not others.keys() & persons().keys()
    off = misses(stages, others)
    print(f"found more than counted: {off}; {sum(not miss for miss in off)} of {len(off)} exact")
    assert sum(abs(miss) <= 1 for miss in off) >= 18


@pytest.mark.short
def test_a_van_and_a_car_are_two_vehicles_in_every_frame(stages: Stages) -> None:
    found = lines(stages, stages.recipe("vehicle-detect"), list(range(0, FRAMES, 40)))
    assert {number: len(line["detections"]) for number, line in found.items() if
            len(line["detections"]) != 2} == {}  # fmt: skip


def test_nine_tenths_of_the_dwell_lie_on_the_walkways(running_farm: Farmyard) -> None:
    corners = [list(corner) for corner in walkways()]
    own = {"like": "heatmap", "help": "The road.", "zones": {"walkways": corners}}
    (running_farm.home / "recipes" / "road.yml").write_text(json.dumps(own))
    running_farm.ok("roots", "add", "films", needs_vtest().parent)
    answer = running_farm.submit(needs_vtest(), "--recipe", "road", timeout_s=600)
    assert answer["ok"] == FRAMES
    folder = running_farm.home / "jobs" / answer["job_id"]
    facts = json.loads((folder / "summary.json").read_text())["facts"]
    dwell = {(fact["name"], fact["of"]): fact["value"] for fact in facts}
    print(dwell)
    assert dwell["dwell_share", "walkways"] >= 90
    assert 300 < dwell["dwell", ""] < 700  # about six persons at a time for 79.5 s
    with Image.open(folder / "pictures" / "heat.png") as image:
        assert image.size == (WIDTH, HEIGHT)
    rows = (folder / "tables" / "dwell.csv").read_text("utf-8-sig").splitlines()
    assert rows[0] == "zone,seconds,percent"
    assert rows[1].startswith("walkways,")
