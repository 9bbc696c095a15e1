"""A map of how likely each pixel is text to slanted boxes around its lines. Pure.

Source: differentiable binarization, Liao et al. 2020, https://arxiv.org/abs/1911.08947, with
PP-OCR's numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from nasfarm.core.findings import Finding, Seen
from nasfarm.core.lines import Polygon
from nasfarm.core.recipes import ParamValue
from nasfarm_workers.heads.checks import sole
from nasfarm_workers.heads.head import F32

_LEAST_SIDE = 3.0
"""A speck thinner than this many map pixels is noise; so is a grown box thinner than two more, and
one of at most this many pixels of the original."""


def read(
    outputs: Sequence[F32],
    seen: Sequence[Seen],
    options: Mapping[str, float],
    params: Mapping[str, ParamValue],
    labels: Sequence[str],
) -> list[tuple[Finding, ...]]:
    """A finding for each line of text, with its polygon, in reading order.

    outputs: one, [n, 1, h, w], 0..1, as large as the model's input.
    options: `threshold` (0.3: more is text), `box_score` (0.5: a box's least mean), `unclip` (1.6:
        how far the shrunk text grows back), `dilate` (1: close gaps of a pixel first),
        `candidates` (1000 a picture). params, labels: not used.
    Raises RejectError (`model`) where the output is another.
    """
    maps = sole(outputs, "db", (len(seen), 1, None, None))
    return [
        tuple(_reading_order(_findings(chances[0], place, options)))
        for chances, place in zip(maps, seen, strict=True)
    ]


def _findings(chances: F32, seen: Seen, options: Mapping[str, float]) -> list[Finding]:
    found = []
    for contour in _contours(chances, options):
        corners = _least_rectangle(contour, _LEAST_SIDE)
        if corners is None:
            continue
        score = _mean_inside(chances, corners)
        if score < options.get("box_score", 0.5):
            continue
        grown = _least_rectangle(_grown(corners, options.get("unclip", 1.6)), _LEAST_SIDE + 2)
        if grown is None:
            continue
        polygon = _on_original(grown, seen)
        if _thinner_side(polygon) > _LEAST_SIDE:
            found.append(Finding(box=_bounds(polygon), score=score, polygon=polygon))
    return found


def _contours(chances: F32, options: Mapping[str, float]) -> Sequence[NDArray[np.int32]]:
    text = (chances > options.get("threshold", 0.3)).astype(np.uint8)
    if options.get("dilate", 1):
        text = cv2.dilate(text, np.ones((2, 2), dtype=np.uint8)).astype(np.uint8)
    contours, _ = cv2.findContours(text, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    return [c.astype(np.int32) for c in contours[: int(options.get("candidates", 1000))]]


def _least_rectangle(points: NDArray[np.int32] | F32, least_side: float) -> F32 | None:
    """(4, 2): the smallest slanted rectangle around points; None where it is too thin."""
    rectangle = cv2.minAreaRect(points)
    if min(rectangle[1]) < least_side:
        return None
    return _clockwise(cv2.boxPoints(rectangle).astype(np.float32))


def _clockwise(corners: F32) -> F32:
    """Top left, top right, bottom right, bottom left: of the two left ones the upper is first."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    top_left, bottom_left = sorted(by_x[:2], key=lambda corner: corner[1])
    top_right, bottom_right = sorted(by_x[2:], key=lambda corner: corner[1])
    return np.stack([top_left, top_right, bottom_right, bottom_left])


def _mean_inside(chances: F32, corners: F32) -> float:
    height, width = chances.shape
    edges = np.array([width - 1, height - 1])
    low = np.clip(np.floor(corners.min(axis=0)), 0, edges).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)), 0, edges).astype(int)
    part = chances[low[1] : high[1] + 1, low[0] : high[0] + 1]
    inside = np.zeros(part.shape, dtype=np.uint8)
    cv2.fillPoly(inside, [(corners - low).astype(np.int32)], (1,))
    return float(cv2.mean(part, inside)[0])


def _grown(corners: F32, unclip: float) -> F32:
    """The outline moved outwards by area × unclip / circumference, corners rounded."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    distance = cv2.contourArea(corners) * unclip / sides.sum()
    offset = pyclipper.PyclipperOffset()
    # pyclipper counts in whole numbers; whole map pixels are what PP-OCR's numbers were found with.
    path = corners.astype(int).tolist()
    offset.AddPath(path, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    return np.array(offset.Execute(distance)[0], dtype=np.float32)


def _on_original(corners: F32, seen: Seen) -> Polygon:
    """Map pixels to whole pixels of the original, clipped to it."""
    x = np.clip(np.round((corners[:, 0] - seen.left) / seen.scale_x), 0, seen.width - 1)
    y = np.clip(np.round((corners[:, 1] - seen.top) / seen.scale_y), 0, seen.height - 1)
    return tuple((float(a), float(b)) for a, b in zip(x, y, strict=True))


def _thinner_side(polygon: Polygon) -> float:
    top_left, top_right, _, bottom_left = np.array(polygon)
    return float(min(np.linalg.norm(top_right - top_left), np.linalg.norm(bottom_left - top_left)))


def _bounds(polygon: Polygon) -> tuple[float, float, float, float]:
    xs, ys = zip(*polygon, strict=True)
    return (min(xs), min(ys), max(xs), max(ys))


def _reading_order(findings: Sequence[Finding]) -> list[Finding]:
    """Row by row from the top, each from the left.

    A finding belongs to the row whose first one's middle it is level with: closer to it than half
    that one's height.
    """
    rows: list[list[Finding]] = []
    for finding in sorted(findings, key=lambda f: (_middle(f), f.box)):
        if rows and _middle(finding) - _middle(rows[-1][0]) < _half_height(rows[-1][0]):
            rows[-1].append(finding)
        else:
            rows.append([finding])
    return [finding for row in rows for finding in sorted(row, key=lambda f: f.box)]


def _middle(finding: Finding) -> float:
    return (finding.box[1] + finding.box[3]) / 2


def _half_height(finding: Finding) -> float:
    return (finding.box[3] - finding.box[1]) / 2
