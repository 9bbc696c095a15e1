"""Weights and what their layer saw to whole numbers whose errors cancel. Pure.

Rounding each weight by itself adds up the errors. GPTQ (Frantar and others, 2022) rounds one
column after the other and lets those still to come make up for the error, as far as inputs that
go together allow: the Gram matrix of the layer's inputs says which do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I8 = NDArray[np.int8]

MOST = 127
"""The largest signed 8-bit number that has its negative."""
MOST_TOGETHER = 127
"""Without VNNI a CPU adds two neighbouring products in 16 bits: 255 × (a + b) must be ≤ 32,767."""
MOST_APART = 64
"""So any two weights up to this may be neighbours: 255 × 128 = 32,640."""

_DAMPING = 0.01
"""Added to the Gram matrix's diagonal, as a part of its mean: keeps its inverse tame (GPTQ)."""
_BLOCK = 128
"""Columns whose effect on all later ones is applied in one matrix product."""


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """How large weights may become.

    most: one weight by itself. partners: (k,) for each column the one whose products are added
    to its own in 16 bits, or −1; two partners of one sign come to at most MOST_TOGETHER.
    """

    most: int
    partners: NDArray[np.intp]


def limits_for(shape: tuple[int, ...], *, wide_sums: bool) -> Limits:
    """The limits of a convolution's weights (out a group, in a group, kh, kw), flattened by row.

    wide_sums: for CPUs that add in 32 bits (VNNI), where nothing needs to be held back.
    The kernels walk a window pixel by pixel and within one channel by channel, so partners are
    channels 2 i and 2 i + 1 of one pixel. Depthwise kernels add in 32 bits anyway.
    """
    _, channels, height, width = shape
    taps = height * width
    alone = np.full(channels * taps, -1)
    if wide_sums or (channels == 1 and shape[0] == 1):
        return Limits(MOST, alone)
    if channels % 2 and taps > 1:
        # Then a pixel's last channel goes with the next one's first: hold back all alike.
        return Limits(MOST_APART, alone)
    partners = np.arange(channels) ^ 1
    partners[partners >= channels] = -1
    place = partners[:, None] * taps + np.arange(taps)
    return Limits(MOST, np.where(partners[:, None] < 0, -1, place).reshape(-1))


def scales_for(weights: F64, limits: Limits) -> F64:
    """The finest steps that keep to the limits: (groups, rows, k) weights to (groups, rows)."""
    largest = np.abs(weights).max(axis=2) / limits.most
    paired = np.flatnonzero(limits.partners >= 0)
    if len(paired):
        one, other = weights[:, :, paired], weights[:, :, limits.partners[paired]]
        above = np.maximum(one, 0) + np.maximum(other, 0)
        together = np.maximum(above, np.maximum(-one, 0) + np.maximum(-other, 0))
        largest = np.maximum(largest, together.max(axis=2) / MOST_TOGETHER)
    steps: F64 = np.maximum(largest, 1e-9)
    return steps


def nearest(weights: F64, scales: F64, limits: Limits) -> I8:
    """Each weight rounded by itself."""
    return _rounded(weights, scales, None, limits)


def gptq(weights: F64, scales: F64, gram: F64, limits: Limits) -> I8:
    """Weights as whole numbers of their scales, by GPTQ.

    weights: (groups, rows, k). scales: (groups, rows). gram: (groups, k, k), mean of the products
    of the layer's inputs. Returns (groups, rows, k) within `limits`.
    """
    return _rounded(weights, scales, gram, limits)


def _rounded(weights: F64, scales: F64, gram: F64 | None, limits: Limits) -> I8:
    groups, _, columns = weights.shape
    energy = np.zeros((groups, columns)) if gram is None else np.diagonal(gram, axis1=1, axis2=2)
    # The columns that matter most go first, while many are left to make up for their errors.
    order = np.argsort(-energy, axis=1, kind="stable")
    back = np.argsort(order, axis=1, kind="stable")
    left = np.take_along_axis(weights, order[:, None, :], axis=2)
    spread = None if gram is None else _spread(gram, order)
    partners = np.take_along_axis(
        back, np.maximum(limits.partners, 0)[order], axis=1
    )  # where the partner stands in the new order
    partners[limits.partners[order] < 0] = -1
    whole = np.zeros_like(left)
    for start in range(0, columns, _BLOCK):
        stop = min(columns, start + _BLOCK)
        errors = np.zeros_like(left[:, :, start:stop])
        for column in range(start, stop):
            least, most = _room(whole, partners[:, column], limits.most)
            whole[:, :, column] = np.clip(np.rint(left[:, :, column] / scales), least, most)
            if spread is None:
                continue
            error = left[:, :, column] - whole[:, :, column] * scales
            error /= spread[:, column, column, None]
            errors[:, :, column - start] = error
            later = spread[:, None, column, column + 1 : stop]
            left[:, :, column + 1 : stop] -= error[:, :, None] * later
        if spread is not None and stop < columns:
            left[:, :, stop:] -= errors @ spread[:, start:stop, stop:]
    return np.take_along_axis(whole, back[:, None, :], axis=2).astype(np.int8)


def _room(whole: F64, partner: NDArray[np.intp], most: int) -> tuple[F64, F64]:
    """The least and the largest number a column may take next to its partner's; 0 is not set yet.

    partner: one a group. Returns two of (groups, rows).
    """
    beside = whole[np.arange(len(whole)), :, partner]
    beside[partner < 0] = 0
    least: F64 = np.maximum(-most, -MOST_TOGETHER - np.minimum(beside, 0))
    largest: F64 = np.minimum(most, MOST_TOGETHER - np.maximum(beside, 0))
    return least, largest


def _spread(gram: F64, order: NDArray[np.intp]) -> F64:
    """How a column's error is shared among the later ones: the upper root of the inverse Gram.

    Turned about, the Gram matrix is L Lᵀ; L's inverse, turned back, is that root.
    """
    turned = order[:, ::-1]
    ordered = np.take_along_axis(gram, turned[:, :, None], axis=1)
    ordered = np.take_along_axis(ordered, turned[:, None, :], axis=2)
    mean = np.diagonal(ordered, axis1=1, axis2=2).mean(axis=1)
    damping = (_DAMPING * mean + 1e-12)[:, None] * np.ones(ordered.shape[1])
    places = np.arange(ordered.shape[1])
    ordered[:, places, places] += damping
    root = np.linalg.cholesky(ordered).astype(np.float64, copy=False)
    return np.ascontiguousarray(lower_inverse(root)[:, ::-1, ::-1])


def lower_inverse(lower: F64) -> F64:
    """The inverses of lower triangular matrices (groups, k, k), half by half: an eighth of the
    work of a general inverse.
    """
    size = lower.shape[1]
    if size <= _BLOCK:
        return np.tril(np.linalg.inv(lower))
    half = size // 2
    inverse = np.zeros_like(lower)
    inverse[:, :half, :half] = lower_inverse(lower[:, :half, :half])
    inverse[:, half:, half:] = lower_inverse(lower[:, half:, half:])
    below = inverse[:, half:, half:] @ lower[:, half:, :half] @ inverse[:, :half, :half]
    inverse[:, half:, :half] = -below
    return inverse
