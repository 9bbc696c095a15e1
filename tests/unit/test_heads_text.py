"""The three text heads: where it stands, which way up, and what it says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from nasfarm.core.findings import Finding, Seen
from nasfarm.errors import RejectError
from nasfarm_workers.heads.head import F32
from nasfarm_workers.heads.registry import head_named

CROP = Finding((10, 20, 110, 40), 0.9, polygon=((10, 20), (110, 20), (110, 40), (10, 40)))
OF_CROP = Seen(100, 20, 2.4, 2.4, finding=CROP)
DB = {"threshold": 0.3, "box_score": 0.5, "unclip": 1.6, "dilate": 1.0, "candidates": 1000.0}


def seen(width: int = 320, height: int = 160, scale: float = 1.0) -> Seen:
    return Seen(width, height, scale, scale)


def text_map(*rectangles: tuple[tuple[float, float], tuple[float, float], float]) -> F32:
    """A 320 × 160 map with slanted bars: middle, (width, height), degrees."""
    chances = np.zeros((160, 320), dtype=np.float32)
    for rectangle in rectangles:
        cv2.fillPoly(chances, [np.round(cv2.boxPoints(rectangle)).astype(np.int32)], (0.9,))
    return chances[None, None]


def find(chances: F32, place: Seen, **options: float) -> tuple[Finding, ...]:
    [found] = head_named("db")([chances], [place], {**DB, **options}, {}, ())
    return found


def test_a_bar_becomes_a_grown_polygon_clockwise_from_the_top_left() -> None:
    [found] = find(text_map(((160, 80), (100, 20), 0.0)), seen())
    # 100 × 20 grows by area × 1.6 / circumference = 13 on each side.
    wanted = [(97, 57), (223, 57), (223, 103), (97, 103)]
    np.testing.assert_allclose(found.polygon, wanted, atol=2.5)
    xs, ys = zip(*found.polygon, strict=True)
    assert found.box == (min(xs), min(ys), max(xs), max(ys))
    assert found.score == pytest.approx(0.9, abs=0.06)  # gaps were closed, so the rim is darker


@pytest.mark.parametrize("degrees", [-40, -15, 5, 15, 40])
def test_a_slanted_bar_keeps_its_slant(degrees: float) -> None:
    [found] = find(text_map(((160, 80), (100, 20), degrees)), seen())
    top_left, top_right, _, bottom_left = np.array(found.polygon)
    across, down = top_right - top_left, bottom_left - top_left
    assert np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(degrees, abs=2)
    assert np.cross([*across, 0], [*down, 0])[2] > 0  # clockwise, as y grows downwards
    assert np.linalg.norm(across) > np.linalg.norm(down)


def test_polygons_lie_in_pixels_of_the_original_and_within_it() -> None:
    place = Seen(width=640, height=200, scale_x=0.5, scale_y=0.5, left=0, top=30)
    found = find(text_map(((160, 80), (100, 20), 0.0), ((20, 40), (40, 16), 0.0)), place)
    np.testing.assert_allclose(found[1].polygon[0], (194, 54), atol=5)
    assert found[0].polygon[0] == (0.0, 0.0)
    assert max(y for f in found for _, y in f.polygon) <= 199


@pytest.mark.parametrize(
    ("chances", "options"),
    [
        pytest.param(np.zeros((1, 1, 160, 320), np.float32), {}, id="nothing"),
        pytest.param(text_map(((160, 80), (1, 1), 0.0)), {}, id="a speck"),
        pytest.param(text_map(((160, 80), (90, 20), 0.0)) * 0.3, {}, id="too faint"),
        pytest.param(text_map(((160, 80), (90, 20), 0.0)) * 0.5, {}, id="a faint box"),
        pytest.param(text_map(((160, 80), (90, 20), 0.0)), {"box_score": 0.95}, id="stricter"),
    ],
)
def test_what_is_no_text_is_left_out(chances: F32, options: dict[str, float]) -> None:
    assert find(chances, seen(), **options) == ()


def test_gaps_of_a_pixel_are_closed_first() -> None:
    chances = text_map(((160, 80), (100, 20), 0.0))
    chances[0, 0, :, 160] = 0
    assert len(find(chances, seen())) == 1
    assert len(find(chances, seen(), dilate=0)) == 2


def test_text_comes_in_reading_order() -> None:
    bars = [((240, 30), (60, 12), 0.0), ((80, 34), (60, 12), 0.0), ((150, 100), (60, 12), 0.0)]
    found = find(text_map(*bars), seen())
    middles = [round((f.box[0] + f.box[2]) / 2, -1) for f in found]
    assert middles == [80, 240, 150]


def test_every_row_of_the_batch_has_its_own_findings() -> None:
    chances = np.concatenate([text_map(((160, 80), (90, 20), 0.0)), np.zeros((1, 1, 160, 320))])
    found = head_named("db")([chances.astype(np.float32)], [seen(), seen()], DB, {}, ())
    assert [len(row) for row in found] == [1, 0]


@pytest.mark.parametrize(
    ("scores", "turned"),
    [
        pytest.param((0.05, 0.95), True, id="upside down"),
        pytest.param((0.2, 0.8), False, id="not sure"),
        pytest.param((0.95, 0.05), False, id="upright"),
    ],
)
def test_a_finding_is_turned_only_when_that_is_sure(
    scores: tuple[float, float], turned: bool
) -> None:
    outputs = [np.array([scores], dtype=np.float32)]
    [[found]] = head_named("turned")(outputs, [OF_CROP], {"threshold": 0.9}, {}, ("0", "180"))
    assert found.turned is turned
    assert found.polygon == CROP.polygon


ALPHABET = ("", "a", "b", " ")


def steps(*likeliest: tuple[int, float]) -> F32:
    """Probabilities of one strip: at each step one class and how likely it is."""
    rows = np.zeros((len(likeliest), len(ALPHABET)), dtype=np.float32)
    for row, (number, chance) in zip(rows, likeliest, strict=True):
        row[:] = (1 - chance) / 3
        row[number] = chance
    return rows[None]


def say(strip: F32, **params: float) -> tuple[Finding, ...]:
    [found] = head_named("ctc")([strip], [OF_CROP], {}, params, ALPHABET)
    return found


def test_repeats_are_one_character_and_a_blank_parts_equal_ones() -> None:
    strip = steps((1, 0.9), (1, 0.8), (0, 0.9), (1, 0.7), (3, 0.9), (2, 0.5), (0, 0.9))
    [found] = say(strip)
    assert found.text == "aa b"
    assert found.score == pytest.approx((0.9 + 0.7 + 0.9 + 0.5) / 4)
    assert found.polygon == CROP.polygon


@pytest.mark.parametrize(
    "strip",
    [
        pytest.param(steps((0, 0.9), (0, 0.9)), id="only blanks"),
        pytest.param(steps((3, 0.9), (0, 0.9)), id="only a space"),
        pytest.param(steps((1, 0.49), (0, 0.9)), id="not sure enough"),
    ],
)
def test_a_text_that_says_nothing_is_dropped(strip: F32) -> None:
    assert say(strip) == ()


def test_the_score_parameter_decides_which_texts_stay() -> None:
    strip = steps((1, 0.7), (0, 0.9))
    assert len(say(strip, score=0.6)) == 1
    assert say(strip, score=0.8) == ()


@pytest.mark.parametrize(
    ("head", "outputs", "labels"),
    [
        pytest.param("db", [np.zeros((1, 2, 9, 9), np.float32)], (), id="db"),
        pytest.param("turned", [np.zeros((1, 3), np.float32)], ("0", "180"), id="turned"),
        pytest.param("ctc", [np.zeros((1, 9, 5), np.float32)], ALPHABET, id="ctc"),
        pytest.param("ctc", [np.zeros((2, 9, 4), np.float32)], ALPHABET, id="ctc, other rows"),
        pytest.param("ctc", [np.zeros((1, 9, 4), np.float32)] * 2, ALPHABET, id="ctc, two"),
    ],
)
def test_other_outputs_are_refused(head: str, outputs: list[F32], labels: tuple[str, ...]) -> None:
    with pytest.raises(RejectError, match=rf"head {head}: expected one output .*, got") as caught:
        head_named(head)(outputs, [OF_CROP], {}, {}, labels)
    assert caught.value.code == "model"


@pytest.mark.parametrize("head", ["turned", "ctc"])
def test_heads_that_refine_crops_refuse_whole_pictures(head: str) -> None:
    outputs = [np.zeros((1, 2) if head == "turned" else (1, 9, 2), np.float32)]
    with pytest.raises(RejectError, match="expected crops, got whole pictures"):
        head_named(head)(outputs, [seen()], {}, {}, ("0", "180"))
