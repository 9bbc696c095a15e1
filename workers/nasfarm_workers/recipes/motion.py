"""Boxes and the seconds between them to where things are thought to be: a Kalman filter. Pure.

A thing's middle moves at a speed that changes at random; its width and height
only change at random. Seconds are real ones: a step of half a second is not that of a tenth.
Nothing is summed up along an axis or multiplied as matrices, so every processor gets the same bits.
ADR 23.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
"""(n, 4): x1, y1, x2, y2 in pixels."""

State = NDArray[np.float64]
"""(n, 10), a row a thing: its middle x, y, width and height in pixels; its speed in x and y in
pixels a second; the variance of its place, the covariance of place and speed, the variance of its
speed, the same in x and y; the variance of its width and height."""

_MIDDLE, _SIZE, _SPEED = slice(0, 2), slice(2, 4), slice(4, 6)
_PLACE_VAR, _BOTH_VAR, _SPEED_VAR, _SIZE_VAR = 6, 7, 8, 9

# All in parts of the box's longer side, which makes one set of numbers right near by and far away.
_SEEN = 0.05
"""A detector's box is off by so much (standard deviation); ByteTrack assumes the same."""
_FIRST_SPEED = 1.0
"""A thing just found moves by so much a second; a person walks 0.8 of its height."""
_TURNS = 1.0
"""In a second, a thing's speed changes by so much a second."""
_GROWS = 0.2
"""In a second, a thing's width and height change by so much."""


def appeared(boxes: Boxes) -> State:
    """What is known of things seen for the first time: where they are, and that they may move."""
    state = np.zeros((len(boxes), 10))
    state[:, _MIDDLE], state[:, _SIZE] = _middle_and_size(boxes)
    state[:, _PLACE_VAR] = (_SEEN * sides(state)) ** 2
    state[:, _SPEED_VAR] = (_FIRST_SPEED * sides(state)) ** 2
    state[:, _SIZE_VAR] = state[:, _PLACE_VAR]
    return state


def moved(state: State, passed_s: float) -> State:
    """Where things are thought to be `passed_s` seconds later, unseen."""
    later = state.copy()
    later[:, _MIDDLE] += state[:, _SPEED] * passed_s
    turned = (_TURNS * sides(state)) ** 2 * passed_s
    place, both, speed = (state[:, of] for of in (_PLACE_VAR, _BOTH_VAR, _SPEED_VAR))
    later[:, _PLACE_VAR] = (
        place + 2 * passed_s * both + passed_s**2 * speed + turned * passed_s**2 / 3
    )
    later[:, _BOTH_VAR] = both + passed_s * speed + turned * passed_s / 2
    later[:, _SPEED_VAR] = speed + turned
    later[:, _SIZE_VAR] += (_GROWS * sides(state)) ** 2 * passed_s
    return later


def corrected(state: State, boxes: Boxes) -> State:
    """What is known of things after each was seen again, in the box of its row."""
    seen = state.copy()
    error = (_SEEN * sides(state)) ** 2
    middle, size = _middle_and_size(boxes)
    place, both, speed = (state[:, of] for of in (_PLACE_VAR, _BOTH_VAR, _SPEED_VAR))
    of_place, of_speed = place / (place + error), both / (place + error)
    off = middle - state[:, _MIDDLE]
    seen[:, _MIDDLE] += of_place[:, None] * off
    seen[:, _SPEED] += of_speed[:, None] * off
    seen[:, _PLACE_VAR] = place * (1 - of_place)
    seen[:, _BOTH_VAR] = both * (1 - of_place)
    seen[:, _SPEED_VAR] = speed - of_speed * both
    of_size = state[:, _SIZE_VAR] / (state[:, _SIZE_VAR] + error)
    seen[:, _SIZE] += of_size[:, None] * (size - state[:, _SIZE])
    seen[:, _SIZE_VAR] *= 1 - of_size
    return seen


def boxes_of(state: State) -> Boxes:
    """The boxes that things are thought to fill."""
    half = state[:, _SIZE] / 2
    boxes: Boxes = np.concatenate([state[:, _MIDDLE] - half, state[:, _MIDDLE] + half], axis=1)
    return boxes


def doubt(state: State) -> NDArray[np.float64]:
    """(n,): by how many pixels each thing may well be elsewhere (standard deviation)."""
    pixels: NDArray[np.float64] = np.sqrt(state[:, _PLACE_VAR])
    return pixels


def sides(state: State) -> NDArray[np.float64]:
    """(n,): each thing's longer side in pixels; 1 at least, so that nothing is divided by 0."""
    longer: NDArray[np.float64] = np.maximum(np.maximum(state[:, 2], state[:, 3]), 1.0)
    return longer


def overlaps(boxes: Boxes, others: Boxes, margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, m): shared over joint area of each box and each of the others, both made larger.

    margins: (n,), by how many pixels on every side; 0 is plain intersection over union.
    """
    one, wider = boxes[:, None, :], 2 * margins[:, None]
    width = np.minimum(one[..., 2], others[:, 2]) - np.maximum(one[..., 0], others[:, 0]) + wider
    height = np.minimum(one[..., 3], others[:, 3]) - np.maximum(one[..., 1], others[:, 1]) + wider
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    joint = _areas(one, wider) + _areas(others[None], wider) - shared
    parts: NDArray[np.float64] = shared / np.maximum(joint, 1e-9)
    return parts


def _areas(boxes: NDArray[np.float64], wider: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = (boxes[..., 2] - boxes[..., 0] + wider) * (
        boxes[..., 3] - boxes[..., 1] + wider
    )
    return areas


def _middle_and_size(boxes: Boxes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
