"""Values that a tensor took to the range that 256 steps should cover. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

STEPS = 255
_PARTS = np.linspace(1.0, 0.3, 36)
"""How much of the way to the outermost value a range may cover."""


@dataclass(frozen=True, slots=True)
class Range:
    """What a tensor's 0 and 255 stand for; 0.0 always lies within and has a number of its own."""

    least: float
    most: float

    @property
    def scale(self) -> float:
        """What one step is worth."""
        return max(self.most - self.least, 1e-12) / STEPS

    @property
    def zero_point(self) -> int:
        """The number that stands for 0.0."""
        return int(min(STEPS, max(0, round(-self.least / self.scale))))


def full_range(least: float, most: float) -> Range:
    """The range from the least to the largest value."""
    return Range(min(0.0, least), max(0.0, most))


def best_range(values: F32, least: float, most: float) -> Range:
    """The range with the least mean squared error: cutting off few far values refines the rest.

    values: a sample, in any order. least, most: of all values.
    """
    ordered = np.sort(values.astype(np.float64))
    rounded = np.count_nonzero(ordered)  # zero has no rounding error
    lows = _PARTS * min(0.0, least) if least < 0 else np.zeros(1)
    highs = _PARTS * max(0.0, most) if most > 0 else np.zeros(1)
    cut_low = np.array([np.square(low - ordered[ordered < low]).sum() for low in lows])
    cut_high = np.array([np.square(ordered[ordered > high] - high).sum() for high in highs])
    step = (highs[None, :] - lows[:, None]) / STEPS
    # An evenly spread rounding error of ± half a step has the variance step² / 12.
    error = cut_low[:, None] + cut_high[None, :] + rounded * np.square(step) / 12
    low, high = np.unravel_index(np.argmin(error), error.shape)
    return Range(float(lows[low]), float(highs[high]))
