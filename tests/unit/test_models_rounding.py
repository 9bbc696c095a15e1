"""Rounding that lets errors cancel, and sums that fit 16 bits whatever it does."""

from __future__ import annotations

import numpy as np
import pytest

from nasfarm_models.quantize.ranges import best_range, full_range
from nasfarm_models.quantize.rounding import (
    F64,
    MOST,
    MOST_APART,
    MOST_TOGETHER,
    gptq,
    limits_for,
    lower_inverse,
    nearest,
    scales_for,
)


def correlated(inputs: int, chance: np.random.Generator) -> F64:
    """(1, k, k): the Gram matrix of inputs that go together, as neighbouring channels do."""
    causes = chance.normal(size=(4000, inputs // 4))
    seen = causes @ chance.normal(size=(inputs // 4, inputs)) + 0.1 * chance.normal(
        size=(4000, inputs)
    )
    return (seen.T @ seen / len(seen))[None]


def output_error(weights: F64, numbers: np.ndarray, scales: F64, gram: F64) -> float:
    """Mean squared error of the layer's outputs."""
    error = (weights - numbers * scales[:, :, None])[0]
    return float(np.einsum("rk,kl,rl->", error, gram[0], error))


@pytest.mark.parametrize("inputs", [32, 200], ids=["one-block", "several-blocks"])
def test_errors_cancel_where_inputs_go_together(inputs: int) -> None:
    chance = np.random.default_rng(1)
    weights = chance.normal(size=(1, 16, inputs))
    gram = correlated(inputs, chance)
    limits = limits_for((16, inputs, 1, 1), wide_sums=False)
    scales = scales_for(weights, limits)
    alone = output_error(weights, nearest(weights, scales, limits), scales, gram)
    together = output_error(weights, gptq(weights, scales, gram, limits), scales, gram)
    assert together < 0.35 * alone


def test_where_inputs_are_independent_gptq_is_rounding_to_the_nearest() -> None:
    weights = np.random.default_rng(2).normal(size=(3, 4, 9))
    limits = limits_for((4, 9, 1, 1), wide_sums=True)
    scales = scales_for(weights, limits)
    gram = np.stack([np.eye(9)] * 3)
    assert (gptq(weights, scales, gram, limits) == nearest(weights, scales, limits)).all()


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((16, 24, 1, 1), id="1x1"),
        pytest.param((16, 7, 1, 1), id="1x1-odd"),
        pytest.param((8, 6, 3, 3), id="3x3"),
        pytest.param((8, 3, 3, 3), id="three-colours"),
    ],
)
@pytest.mark.parametrize("push", [0.0, 4.0], ids=["mixed-signs", "one-sign"])
def test_no_two_neighbours_exceed_16_bits_whatever_the_rounding_moves(
    shape: tuple[int, int, int, int], push: float
) -> None:
    chance = np.random.default_rng(3)
    weights = (chance.normal(size=shape) + push).reshape(1, shape[0], -1)
    inputs = weights.shape[2]
    gram = correlated(inputs + 4, chance)[:, :inputs, :inputs]
    limits = limits_for(shape, wide_sums=False)
    numbers = gptq(weights, scales_for(weights, limits), gram, limits)
    # The kernels walk a window pixel by pixel, and within one channel by channel.
    walked = numbers.reshape(shape).transpose(0, 2, 3, 1).reshape(shape[0], -1).astype(int)
    walked = np.pad(walked, ((0, 0), (0, walked.shape[1] % 2)))
    for sign in (1, -1):
        sums = np.maximum(sign * walked, 0).reshape(shape[0], -1, 2).sum(axis=2)
        assert 255 * sums.max() <= 32767
    assert np.abs(walked).max() <= MOST


def test_depthwise_layers_and_vnni_hold_nothing_back() -> None:
    assert limits_for((1, 1, 3, 3), wide_sums=False).most == MOST
    assert (limits_for((8, 6, 3, 3), wide_sums=True).partners == -1).all()
    assert limits_for((2, 1, 3, 3), wide_sums=False).most == MOST_APART
    assert limits_for((8, 3, 5, 5), wide_sums=False).most == MOST_APART


def test_the_finest_scale_uses_all_the_room_there_is() -> None:
    weights = np.array([[[1.0, 1.0, -0.5, 0.2]]])
    limits = limits_for((1, 4, 1, 1), wide_sums=False)
    (scale,) = scales_for(weights, limits)[0]
    assert scale == pytest.approx(2.0 / MOST_TOGETHER)
    apart = np.array([[[1.0, -1.0, -0.5, 0.2]]])
    assert scales_for(apart, limits)[0, 0] == pytest.approx(1.0 / MOST)


def test_a_triangle_is_inverted_half_by_half() -> None:
    lower = np.tril(np.random.default_rng(4).normal(size=(2, 300, 300))) + 20 * np.eye(300)
    assert np.allclose(lower_inverse(lower) @ lower, np.eye(300))


def test_a_range_always_holds_zero_exactly() -> None:
    for found in (full_range(2.0, 6.0), full_range(-3.0, -1.0), full_range(-1.0, 5.0)):
        assert found.least <= 0 <= found.most
        assert 0 <= found.zero_point <= 255
    assert full_range(0.0, 0.0).scale > 0


def test_a_lone_far_value_is_cut_off_and_a_common_one_is_kept() -> None:
    chance = np.random.default_rng(5)
    values = np.abs(chance.normal(size=200_000)).astype(np.float32)
    lone = np.append(values, np.float32(12.0))
    assert best_range(lone, 0.0, 12.0).most < 10
    common = np.concatenate([values, np.full(5_000, 12.0, np.float32)])
    assert best_range(common, 0.0, 12.0).most == 12.0
    assert best_range(values, float(values.min()), float(values.max())).least == 0.0
