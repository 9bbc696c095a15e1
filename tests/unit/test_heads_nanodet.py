"""NanoDet's head: distributions become boxes, and weaker boxes of a class give way."""

from __future__ import annotations

import numpy as np
import pytest

from nasfarm.core.findings import Finding, Seen
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm_workers.heads.head import F32
from nasfarm_workers.heads.registry import head_named

LABELS = ("person", "cat", "dog")
OPTIONS = {"bins": 11.0, "nms": 0.6}
SIDE = 64
WHOLE = Seen(SIDE, SIDE, 1.0, 1.0)

Thing = tuple[int, int, int, str, float, tuple[float, float, float, float]]
"""stride, column, row of the cell, label, score, distances l t r b in strides."""


def outputs_of(*pictures: list[Thing]) -> list[F32]:
    """Outputs in the order in which NanoDet's own ONNX file has them: coarse ones first."""
    scores = {s: np.zeros((len(pictures), (SIDE // s) ** 2, 3), np.float32) for s in (8, 16, 32)}
    logits = {s: np.zeros((len(pictures), (SIDE // s) ** 2, 44), np.float32) for s in (8, 16, 32)}
    for place, things in enumerate(pictures):
        for stride, column, row, label, score, distances in things:
            cell = row * (SIDE // stride) + column
            scores[stride][place, cell, LABELS.index(label)] = score
            logits[stride][place, cell] = np.concatenate([spread(d) for d in distances])
    return [scores[32], logits[32], scores[16], scores[8], logits[16], logits[8]]


def spread(distance: float) -> F32:
    """11 logits whose distribution has that mean: all weight on its two neighbours."""
    weights = np.full(11, 1e-12)
    low = int(distance)
    weights[low] += 1 - (distance - low)
    weights[min(low + 1, 10)] += distance - low
    return np.log(weights).astype(np.float32)


def read(
    outputs: list[F32], *seen: Seen, score: float | None = None, **options: float
) -> list[tuple[Finding, ...]]:
    params = {} if score is None else {"score": score}
    return head_named("nanodet")(outputs, seen, {**OPTIONS, **options}, params, LABELS)


@pytest.mark.parametrize(
    ("stride", "column", "row", "wanted"),
    [
        pytest.param(8, 3, 2, (20.0, 12.0, 36.0, 40.0), id="stride 8"),
        pytest.param(16, 1, 2, (8.0, 24.0, 40.0, 64.0), id="stride 16"),
        pytest.param(32, 1, 0, (16.0, 0.0, 64.0, 64.0), id="stride 32, cut at the edge"),
    ],
)
def test_distances_become_a_box(
    stride: int, column: int, row: int, wanted: tuple[float, ...]
) -> None:
    thing = (stride, column, row, "cat", 0.8, (1.0, 1.0, 1.0, 2.5))
    [[found]] = read(outputs_of([thing]), WHOLE)
    assert found.box == pytest.approx(wanted, abs=1e-3)
    assert (found.class_id, found.label) == (1, "cat")
    assert found.score == pytest.approx(0.8)


def test_boxes_lie_in_pixels_of_the_original() -> None:
    seen = Seen(width=300, height=100, scale_x=0.2, scale_y=0.25, left=2, top=16)
    [[found]] = read(outputs_of([(8, 3, 4, "cat", 0.8, (1.0, 1.0, 1.0, 1.0))]), seen)
    assert found.box == pytest.approx((90.0, 48.0, 170.0, 100.0), abs=1e-2)


def test_what_lies_in_the_padding_is_no_finding() -> None:
    seen = Seen(width=64, height=32, scale_x=1.0, scale_y=1.0, left=0, top=16)
    assert read(outputs_of([(8, 3, 0, "cat", 0.8, (1.0, 0.5, 1.0, 1.0))]), seen) == [()]


@pytest.mark.parametrize(("score", "count"), [(None, 2), (0.35, 2), (0.5, 1), (0.9, 0), (0.05, 3)])
def test_the_score_parameter_decides_what_counts(score: float | None, count: int) -> None:
    things: list[Thing] = [
        (8, 0, 0, "cat", 0.6, (0.5,) * 4),
        (8, 4, 4, "cat", 0.4, (0.5,) * 4),
        (8, 7, 7, "cat", 0.3, (0.5,) * 4),
    ]
    [found] = read(outputs_of(things), WHOLE, score=score)
    assert len(found) == count


@pytest.mark.parametrize(("faint", "count"), [(0.2, 2), (0.5, 1), (0.9, 1)])
def test_a_recipe_that_looks_at_faint_things_too_gets_them(faint: float, count: int) -> None:
    things: list[Thing] = [
        (8, 0, 0, "cat", 0.6, (0.5,) * 4),
        (8, 7, 7, "cat", 0.3, (0.5,) * 4),
    ]
    params = {"score": 0.5, "faint": faint}
    [found] = head_named("nanodet")(outputs_of(things), [WHOLE], OPTIONS, params, LABELS)
    assert len(found) == count


def test_of_boxes_on_top_of_each_other_the_best_of_each_class_stays() -> None:
    things: list[Thing] = [
        (8, 3, 3, "cat", 0.6, (2.0, 2.0, 2.0, 2.0)),
        (8, 4, 3, "cat", 0.7, (3.0, 2.0, 1.0, 2.0)),
        (8, 3, 4, "dog", 0.5, (2.0, 3.0, 2.0, 1.0)),
        (16, 1, 1, "cat", 0.9, (0.25,) * 4),
    ]
    [found] = read(outputs_of(things), WHOLE)
    assert [(f.label, round(f.score, 2)) for f in found] == [
        ("cat", 0.9),
        ("cat", 0.7),
        ("dog", 0.5),
    ]


@pytest.mark.parametrize(("nms", "count"), [(0.3, 1), (0.4, 2)])
def test_overlap_is_intersection_over_union(nms: float, count: int) -> None:
    things: list[Thing] = [  # 16 × 16 each, half over each other: a third
        (8, 3, 3, "cat", 0.6, (1.0,) * 4),
        (8, 4, 3, "cat", 0.7, (1.0,) * 4),
    ]
    [found] = read(outputs_of(things), WHOLE, nms=nms)
    assert len(found) == count


def test_rows_stay_apart_and_empty_ones_are_empty() -> None:
    thing: Thing = (8, 3, 3, "dog", 0.6, (1.0,) * 4)
    found = read(outputs_of([], [thing], []), WHOLE, WHOLE, WHOLE)
    assert [len(row) for row in found] == [0, 1, 0]


def test_no_more_than_most_are_found() -> None:
    things: list[Thing] = [
        (8, x, y, "cat", 0.4 + x / 100 + y / 1000, (0.5,) * 4) for x in range(8) for y in range(8)
    ]
    [found] = read(outputs_of(things), WHOLE, most=10)
    assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)
    assert len(found) == 10
    assert found[0].score == pytest.approx(0.477)


@pytest.mark.parametrize(
    "outputs",
    [
        pytest.param([], id="none"),
        pytest.param([np.zeros((1, 64, 80), np.float32)], id="other classes"),
        pytest.param([np.zeros((1, 64, 3), np.float32)], id="no distances"),
        pytest.param(
            [np.zeros((1, 60, 3), np.float32), np.zeros((1, 60, 44), np.float32)], id="not square"
        ),
    ],
)
def test_other_outputs_are_refused(outputs: list[F32]) -> None:
    with pytest.raises(RejectError, match="head nanodet") as caught:
        read(outputs, WHOLE)
    assert caught.value.code == "model"


def test_an_unknown_head_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'nanodet'"):
        head_named("nanodett")
