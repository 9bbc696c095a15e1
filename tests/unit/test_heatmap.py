"""Where things stood for how long: seconds from frames and stills, by cell and by zone."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nasfarm.core.reduced import Fact, Heat, Reduced
from nasfarm_workers.recipes.heat import draw_heat
from nasfarm_workers.recipes.reduces import reduced_by
from resultlines import failed, frames, recipe, still, thing

BENCH = {"bench": ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))}
SITTING, PASSING = thing(0.2, 0.5, "bench"), thing(0.8, 0.9)


def dwell_s(reduced: Reduced, zone: str = "") -> float:
    [fact] = [fact for fact in reduced.facts if (fact.name, fact.of) == ("dwell", zone)]
    assert isinstance(fact.value, float)
    return fact.value


def test_a_frame_counts_until_the_next_one() -> None:
    lines = frames([SITTING], [SITTING, PASSING], [], [PASSING], every_s=0.5)
    reduced = reduced_by(recipe("heatmap", BENCH), lines)
    assert dwell_s(reduced) == 2.0
    assert dwell_s(reduced, "bench") == 1.0
    assert Fact("dwell_share", 50.0, "%", "bench") in reduced.facts


def test_uneven_frames_count_by_their_times_but_no_longer_than_longest() -> None:
    lines = list(frames([SITTING], [SITTING], [SITTING]))
    for line, at_s in zip(lines, (0.0, 0.25, 600.0), strict=True):
        line["frame"]["seconds"] = at_s
    assert dwell_s(reduced_by(recipe("heatmap", longest=10.0), lines)) == 0.25 + 10 + 10


def test_a_second_video_begins_anew() -> None:
    lines = [*frames([SITTING], [SITTING], every_s=5), *frames([SITTING], film="b.mp4", first=2)]
    assert dwell_s(reduced_by(recipe("heatmap"), lines)) == 5 + 5 + 1


def test_stills_count_their_median_step_and_say_so() -> None:
    minutes = (0, 10, 20, 30, 90)
    lines = [
        still(i, SITTING, at=f"2026-05-04T{minute // 60 + 8:02d}:{minute % 60:02d}:00+08:00")
        for i, minute in enumerate(minutes)
    ]
    reduced = reduced_by(recipe("heatmap", longest=3600.0), lines)
    assert dwell_s(reduced) == 5 * 600
    assert tuple(map(str, reduced.notes)) == (
        "Each still picture counts as 600 s, the median step between them; --set interval= says "
        "another.",
    )


@pytest.mark.parametrize(
    ("params", "seconds"),
    [
        pytest.param({"interval": 30.0}, 60.0, id="said"),
        pytest.param({"longest": 5.0}, 10.0, id="no longer than longest"),
        pytest.param({}, 20.0, id="the step within a folder"),
    ],
)
def test_what_a_still_counts(params: dict[str, Any], seconds: float) -> None:
    noon, later = "2026-05-04T12:00:00", "2026-05-04T12:00:10"
    lines = [
        still(0, SITTING, folder="cam1/", at=noon),
        still(1, folder="cam2/", at="2026-05-04T12:00:01"),
        still(2, folder="cam1/", at=later),
        still(3, SITTING, folder="cam2/", at="2026-05-04T12:00:11"),
    ]
    assert dwell_s(reduced_by(recipe("heatmap", **params), lines)) == seconds


def test_stills_without_a_step_count_a_second() -> None:
    reduced = reduced_by(recipe("heatmap"), [still(0, SITTING), still(1, SITTING)])
    assert dwell_s(reduced) == 2.0
    assert "for want of better" in str(reduced.notes[0])


def test_the_grid_has_the_pictures_shape_and_its_seconds_are_where_feet_were() -> None:
    reduced = reduced_by(recipe("heatmap"), frames([SITTING], [SITTING, PASSING]))
    [heat] = reduced.heats
    assert (heat.columns, heat.rows) == (96, 48)  # of 200 x 100 pixels
    seconds = np.array(heat.seconds).reshape(heat.rows, heat.columns)
    assert np.argwhere(seconds).tolist() == [[24, 19], [43, 76]]
    assert (seconds[24, 19], seconds[43, 76]) == (2.0, 1.0)
    [table] = reduced.tables
    assert table.rows == ((0.2031, 0.5104, 2.0), (0.7969, 0.9062, 1.0))


def test_the_emptiest_picture_lies_below() -> None:
    lines = [failed(0), still(1, SITTING, PASSING), still(2, SITTING), still(3, PASSING)]
    assert reduced_by(recipe("heatmap"), lines).heats[0].i == 2


def test_pictures_of_several_sizes_are_warned_of() -> None:
    lines = [still(0, SITTING), still(1) | {"width": 400}]
    assert any("2 sizes" in str(note) for note in reduced_by(recipe("heatmap"), lines).notes)


def test_of_failures_only_there_is_nothing_to_say() -> None:
    assert reduced_by(recipe("heatmap"), [failed(0)]) == Reduced()


def test_a_job_in_which_nobody_was_seen_has_an_empty_heat() -> None:
    reduced = reduced_by(recipe("heatmap", BENCH), [still(0), still(1)])
    assert dwell_s(reduced) == 0.0
    assert not any(reduced.heats[0].seconds)
    shown(reduced.heats[0])


def shown(heat: Heat, width: int = 320, height: int = 160) -> np.ndarray[Any, Any]:
    ground = np.full((height, width, 3), (60, 120, 60), dtype=np.uint8)
    with Image.open(BytesIO(draw_heat(ground, heat))) as image:
        assert image.format == "PNG"
        assert image.size == (width, height)
        return np.asarray(image.convert("RGB")).astype(int)


def test_heat_is_bright_where_things_stood_and_grey_elsewhere() -> None:
    [heat] = reduced_by(recipe("heatmap"), frames([SITTING] * 3, [PASSING])).heats
    pixels = shown(heat)
    hot, warm, cold = pixels[80, 64], pixels[144, 256], pixels[20, 300]
    assert hot[0] > 200
    assert hot.sum() > warm.sum() > 0
    assert cold.max() - cold.min() < 20  # hardly any colour
    assert abs(warm - cold).max() > 40


def test_the_same_heat_is_the_same_file() -> None:
    [heat] = reduced_by(recipe("heatmap"), frames([SITTING])).heats
    ground = np.zeros((48, 96, 3), dtype=np.uint8)
    assert draw_heat(ground, heat) == draw_heat(ground, heat)
