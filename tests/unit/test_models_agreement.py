"""How far two variants agree, by examples that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nasfarm.core.findings import Finding
from nasfarm_models.agreement.boxes import overlap, pooled_ap50
from nasfarm_models.agreement.classes import class_agreement, mean_cosine, probabilities, top1

CAT = Finding((0, 0, 10, 10), 0.9, label="cat")
DOG = Finding((20, 20, 40, 40), 0.8, label="dog")


def box(x: float, score: float, label: str = "cat") -> Finding:
    return Finding((x, 0, x + 10, 10), score, label=label)


@pytest.mark.parametrize(
    ("wanted", "found", "figure"),
    [
        pytest.param([[CAT, DOG]], [[CAT, DOG]], 1.0, id="all-found"),
        pytest.param([[CAT, DOG]], [[CAT]], 0.5, id="half-found"),
        pytest.param([[CAT]], [[]], 0.0, id="nothing-found"),
        pytest.param([[]], [[]], 1.0, id="nothing-to-find"),
        pytest.param([[]], [[CAT]], 0.0, id="found-what-is-not-there"),
        # Precision when the second cat is reached: 2 of 3.
        pytest.param(
            [[box(0, 1), box(50, 1)]], [[box(0, 0.9), box(20, 0.8), box(50, 0.7)]],
            (1 + 2 / 3) / 2, id="a-wrong-one-between",
        ),
        pytest.param([[CAT]], [[CAT, box(80, 0.1)]], 1.0, id="a-wrong-one-after-all-are-found"),
        pytest.param([[box(0, 1)]], [[box(0, 0.9), box(0.5, 0.8)]], 1.0, id="found-twice-later"),
        pytest.param([[box(0, 1)]], [[box(4, 0.9)]], 0.0, id="overlaps-by-43-percent"),
        pytest.param([[box(0, 1)]], [[box(0, 0.9, "dog")]], 0.0, id="another-label"),
        pytest.param([[CAT], []], [[], [CAT]], 0.0, id="on-another-picture"),
    ],
)  # fmt: skip
def test_pooled_ap50_is_what_one_works_out_by_hand(
    wanted: list[list[Finding]], found: list[list[Finding]], figure: float
) -> None:
    assert pooled_ap50(wanted, found) == pytest.approx(figure)


def test_overlap_is_the_shared_area_over_the_joint_one() -> None:
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0


def test_classes_agree_overall_and_where_the_first_is_sure() -> None:
    first = np.array([[0.9, 0.1, 0.0], [0.25, 0.4, 0.35], [0.28, 0.29, 0.43], [0.26, 0.27, 0.25]])
    second = first.copy()
    second[1] = [0.1, 0.4, 0.5]  # a class that the first was sure of is lost
    second[3] = [0.3, 0.2, 0.2]  # and one of which it was not
    found = class_agreement(first.astype(np.float32), second.astype(np.float32))
    assert (found.images, found.sure) == (4, 3)
    assert (found.top1, found.sure_top1) == (0.5, pytest.approx(2 / 3))
    assert top1(first.astype(np.float32), np.array([0, 1, 2, 0])) == 0.75


def test_logits_become_probabilities_and_probabilities_stay() -> None:
    logits = np.array([[2.0, 1.0, 0.0]], np.float32)
    shares = probabilities(logits)
    assert shares.sum() == pytest.approx(1.0)
    assert probabilities(shares) is shares


def test_the_cosine_of_embeddings_does_not_look_at_their_length() -> None:
    first = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    assert mean_cosine(first, 3 * first) == pytest.approx(1.0)
    assert mean_cosine(first, first[::-1]) == pytest.approx(0.0)
