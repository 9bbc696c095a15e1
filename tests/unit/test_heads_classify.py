"""Heads for whole pictures: the likeliest classes, and the embedding at length 1."""

from __future__ import annotations

import numpy as np
import pytest

from nasfarm.core.findings import Finding, Seen
from nasfarm.core.recipes import HEADS
from nasfarm.errors import RejectError
from nasfarm_workers.heads.registry import head_named

LABELS = ("cat", "dog", "cup", "car")
WHOLE = Seen(640, 480, 0.5, 0.5, left=-30.0, top=-8.0)
SCORES = np.array([[0.2, 0.5, 0.2, 0.1], [0.9, 0.0, 0.02, 0.08]], np.float32)
VECTORS = np.array([[3, 4, 0], [0, 0, 0.5]], np.float32)


def classified(**params: float) -> list[list[tuple[str, float]]]:
    found = head_named("classify")([SCORES, VECTORS], [WHOLE, WHOLE], {}, params, LABELS)
    return [[(one.label, round(one.score, 3)) for one in row] for row in found]


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_a_recipe_may_name_is_there(name: str) -> None:
    assert callable(head_named(name))


def test_the_likeliest_come_first_and_equal_ones_in_the_models_order() -> None:
    assert classified(top=3) == [
        [("dog", 0.5), ("cat", 0.2), ("cup", 0.2)],
        [("cat", 0.9), ("car", 0.08), ("cup", 0.02)],
    ]


def test_what_the_model_is_less_sure_of_is_left_out() -> None:
    assert classified(score=0.5) == [[("dog", 0.5)], [("cat", 0.9)]]
    assert classified(score=0.95) == [[], []]


def test_top_may_be_more_than_there_are() -> None:
    assert [len(row) for row in classified(top=1000)] == [4, 4]


def test_a_finding_covers_all_that_was_seen() -> None:
    crop = Finding((10, 20, 30, 60), 0.7, 3, "car")
    seen = [WHOLE, Seen(20, 40, 1.0, 1.0, finding=crop)]
    picture, part = head_named("classify")([SCORES], seen, {}, {"top": 1}, LABELS)
    assert picture == (Finding((0, 0, 640, 480), 0.5, 1, "dog"),)
    assert part == (Finding((10, 20, 30, 60), pytest.approx(0.9), 0, "cat"),)


def test_an_embedding_has_length_one_in_half_precision() -> None:
    found = head_named("embed")([SCORES, VECTORS], [WHOLE, WHOLE], {"embedding": 1}, {}, LABELS)
    rows = [np.frombuffer(one.vector, "<f2") for (one,) in found]
    np.testing.assert_allclose(rows, [[0.6, 0.8, 0], [0, 0, 1]], atol=5e-4)
    assert [one.box for (one,) in found] == [(0, 0, 640, 480)] * 2


def test_half_precision_hardly_changes_how_alike_two_pictures_are(chance) -> None:  # type: ignore[no-untyped-def]
    vectors = np.random.default_rng(chance.randrange(2**32)).gamma(0.5, 1, (2, 1280))
    exact = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = head_named("embed")([vectors.astype(np.float32)], [WHOLE, WHOLE], {}, {}, ())
    one, other = (np.frombuffer(row.vector, "<f2").astype(np.float64) for (row,) in found)
    assert one @ other == pytest.approx(exact[0] @ exact[1], abs=1e-3)


def test_a_vector_of_nothing_stays_one() -> None:
    ((one,),) = head_named("embed")([np.zeros((1, 3), np.float32)], [WHOLE], {}, {}, ())
    assert one.vector == bytes(6)


@pytest.mark.parametrize(
    ("head", "outputs", "options"),
    [
        pytest.param("classify", [VECTORS], {}, id="other-number-of-classes"),
        pytest.param("classify", [SCORES], {"classes": 1}, id="no-such-output"),
        pytest.param("classify", [SCORES[:1]], {}, id="other-number-of-rows"),
        pytest.param("embed", [SCORES], {"embedding": 1}, id="no-embedding"),
        pytest.param("embed", [VECTORS[None]], {}, id="other-axes"),
    ],
)
def test_outputs_of_another_model_are_refused(
    head: str, outputs: list[np.ndarray], options: dict[str, float]
) -> None:
    with pytest.raises(RejectError, match=f"head {head}: expected") as caught:
        head_named(head)(outputs, [WHOLE, WHOLE], options, {}, LABELS)
    assert caught.value.code == "model"
