"""Maps and pictures: findings become a line's fields, and a picture that shows them."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from nasfarm.core import wire
from nasfarm.core.findings import Finding
from nasfarm.core.lines import Class, Detection, Embedding, Fields, Text
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm_workers.pixels import Picture
from nasfarm_workers.recipes.maps import found_in, map_named
from nasfarm_workers.recipes.pictures import draw

RECIPE = ResolvedRecipe("any", "detect", (), {}, 16, 0)


def finding(score: float, *box: float, label: str = "cat") -> Finding:
    x1, y1, x2, y2 = box
    return Finding((x1, y1, x2, y2), score, 15, label)


def mapped(name: str, findings: list[Finding]) -> Fields:
    """What the map says of a picture of 640 x 480 pixels."""
    return map_named(name)(findings, (640, 480), RECIPE)


def test_detections_are_rounded_and_sorted_by_score_then_box() -> None:
    fields = mapped(
        "detect",
        [
            finding(0.50004, 30, 0, 40, 10),
            finding(0.9126, 10.46, 20.04, 110.0, 300.25),
            finding(0.49996, 20, 0, 40, 10),
        ],
    )
    assert fields == {
        "detections": (
            Detection("cat", 15, 0.913, (10.5, 20.0, 110.0, 300.2)),
            Detection("cat", 15, 0.5, (20, 0, 40, 10)),
            Detection("cat", 15, 0.5, (30, 0, 40, 10)),
        )
    }


def test_only_the_labels_asked_for_are_said() -> None:
    cars = replace(RECIPE, params={"labels": "car, bus"})
    found = [finding(0.9, 0, 0, 9, 9), finding(0.8, 0, 0, 9, 9, label="bus")]
    [bus] = map_named("detect")(found, (640, 480), cars)["detections"]
    assert isinstance(bus, Detection)
    assert bus.label == "bus"


def test_a_thing_has_one_of_the_labels_asked_for() -> None:
    van = [finding(0.5, 0, 0, 100, 50, label="truck"), finding(0.6, 2, 0, 102, 50, label="car")]
    behind = finding(0.4, 60, 0, 160, 50, label="car")
    both = replace(RECIPE, params={"labels": "car,truck"})
    said = map_named("detect")([*van, behind], (640, 480), both)["detections"]
    assert [(each.label, each.score) for each in said] == [("car", 0.6), ("car", 0.4)]
    assert len(mapped("detect", [*van, behind])["detections"]) == 3


def test_what_only_helps_to_follow_is_said_apart_and_only_if_there_is_any() -> None:
    follow = replace(RECIPE, params={"labels": "cat", "score": 0.4, "faint": 0.1})
    found = [finding(score, x, 0, x + 9, 9) for x, score in ((0, 0.2), (20, 0.39951), (40, 0.9))]
    fields = map_named("follow")(found, (640, 480), follow)
    scores = {name: [each["score"] for each in wire.plain(fields[name])] for name in fields}
    assert scores == {"detections": [0.9, 0.4], "faint": [0.2]}
    assert list(map_named("follow")(found[2:], (640, 480), follow)) == ["detections"]


def test_what_stands_in_zones_names_them_and_what_does_not_has_no_such_field() -> None:
    left, low = ((0, 0), (0.5, 0), (0.5, 1), (0, 1)), ((0, 0.5), (1, 0.5), (1, 1), (0, 1))
    zoned = replace(RECIPE, zones={"left": left, "low": low})
    found = [finding(0.9, 0, 0, 20, 300), finding(0.8, 0, 0, 20, 100), finding(0.7, 600, 0, 640, 9)]
    said = wire.plain(map_named("detect")(found, (640, 480), zoned)["detections"])
    assert [each.get("zones") for each in said] == [("left", "low"), ("left",), None]


def test_texts_keep_their_order() -> None:
    corners = ((1.04, 2.0), (9.0, 2.0), (9.0, 4.0), (1.0, 4.06))
    fields = mapped(
        "ocr",
        [
            Finding((1, 2, 9, 4), 0.61239, polygon=corners, text="second"),
            Finding((1, 0, 9, 2), 0.99999, text="first"),
        ],
    )
    assert fields == {
        "texts": (
            Text("second", 0.612, ((1.0, 2.0), (9.0, 2.0), (9.0, 4.0), (1.0, 4.1))),
            Text("first", 1.0, ((1, 0), (9, 0), (9, 2), (1, 2))),
        )
    }


def test_classes_keep_their_order() -> None:
    box = (0.0, 0.0, 640.0, 480.0)
    fields = mapped("classify", [Finding(box, 0.61239, 2, "tabby"), finding(0.2, *box)])
    assert fields == {"classes": (Class("tabby", 0.612), Class("cat", 0.2))}


def test_a_pictures_embedding_is_taken_over() -> None:
    one = Finding((0, 0, 640, 480), 1.0, vector=b"1234")
    assert mapped("embed", [one]) == {"embedding": Embedding(b"1234")}


@pytest.mark.parametrize(
    "findings",
    [
        pytest.param([], id="none"),
        pytest.param([finding(0.9, 0, 0, 1, 1)], id="a-finding-without-one"),
        pytest.param([Finding((0, 0, 1, 1), 1.0, vector=b"12")] * 2, id="two"),
    ],
)
def test_a_recipe_that_does_not_give_one_embedding_a_picture_is_told(
    findings: list[Finding],
) -> None:
    with pytest.raises(RejectError, match=r"expected one embedding.*head: embed"):
        mapped("embed", findings)


@pytest.mark.parametrize(
    ("name", "field"), [("detect", "detections"), ("ocr", "texts"), ("classify", "classes")]
)
def test_nothing_found_is_an_empty_field(name: str, field: str) -> None:
    assert mapped(name, []) == {field: ()}


def test_an_unknown_map_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'detect'"):
        map_named("detekt")


def test_what_a_line_found_is_counted_by_label_or_text() -> None:
    record = {"detections": [{"label": "cat"}, {"label": "cat"}], "texts": [{"text": "EXIT"}]}
    assert found_in(record) == ["cat", "cat", "EXIT"]
    assert found_in({"classes": [{"label": "tabby"}, {"label": "lynx"}]}) == ["tabby"]
    assert found_in({"classes": []}) == found_in({"embedding": 3}) == []
    assert found_in({"status": "error"}) == []


GREY = Picture(np.full((240, 320, 3), 128, dtype=np.uint8), 640, 480)
"""Decoded at half its size."""


def drawn(record: dict[str, object]) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(draw(GREY, record)))).astype(int)


def coloured(pixels: np.ndarray) -> np.ndarray:
    """Where a pixel is far from the grey of the picture and from any grey."""
    return np.ptp(pixels, axis=2) > 60


def test_a_box_is_drawn_where_it_lies_in_the_reduced_picture() -> None:
    box = [200.0, 160.0, 440.0, 400.0]
    pixels = drawn({"detections": [{"label": "cat", "class_id": 15, "score": 0.9, "box": box}]})
    assert pixels.shape == (240, 320, 3)
    marked = coloured(pixels)
    rows, columns = np.nonzero(marked[100:])
    assert abs(columns.min() - 100) <= 2
    assert abs(columns.max() - 220) <= 2
    assert abs(rows.max() + 100 - 200) <= 2
    assert not marked[110:190, 110:210].any()  # what was found stays visible
    assert marked[60:79, 100:130].any()  # the chip above the box


def test_a_label_has_one_colour_and_chips_stay_clear_of_each_other() -> None:
    box = [0.0, 0.0, 640.0, 480.0]
    one = {"label": "cat", "class_id": 15, "score": 0.9, "box": box}
    other = {"label": "dog", "class_id": 16, "score": 0.4, "box": box}
    alone, both = drawn({"detections": [one]}), drawn({"detections": [one, other]})
    np.testing.assert_allclose(alone[4:15, 6:60], both[4:15, 6:60], atol=40)
    assert coloured(both)[24:32, 4:40].mean() > 0.4


def test_classes_are_chips_at_the_top_left_below_each_other() -> None:
    kinds = [{"label": "tabby", "score": 0.6}, {"label": "tiger cat", "score": 0.2}]
    marked = coloured(drawn({"classes": kinds}))
    rows, columns = np.nonzero(marked)
    assert rows.min() <= 2
    assert 30 <= rows.max() <= 50
    assert columns.max() < 160


def test_texts_are_written_out_beside_the_picture() -> None:
    polygon = [[40, 40], [400, 40], [400, 100], [40, 100]]
    pixels = drawn({"texts": [{"text": "出口 Exit", "score": 0.9, "polygon": polygon}]})
    assert pixels.shape == (240, 640, 3)
    sheet = pixels[:, 320:].mean(axis=2)
    rows, columns = np.nonzero(sheet < 100)
    assert 20 <= rows.min() <= rows.max() <= 50
    assert 20 <= columns.min() <= columns.max() <= 200


def test_a_line_without_findings_gives_the_plain_picture() -> None:
    assert np.abs(drawn({"detections": [], "texts": []}) - 128).max() <= 2
