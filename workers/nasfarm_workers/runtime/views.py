"""Pictures, and what was found on them, to the pieces a stage looks at. Pure.

A stage sees whole pictures, or one crop for each finding of an earlier stage, of all pictures of
the chunk in one list.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from nasfarm.core.findings import Finding
from nasfarm_workers.pixels import RGB, Picture, View

_TALL = 1.5
"""A crop this much taller than wide holds text written sideways (PP-OCR's own rule)."""

Corners = NDArray[np.float32]
"""(4, 2), clockwise from the top left."""


def whole(pictures: Sequence[Picture]) -> list[View]:
    """One view a picture, in order."""
    return [
        View(owner, picture.pixels, picture.width, picture.height)
        for owner, picture in enumerate(pictures)
    ]


def crops(pictures: Sequence[Picture], findings: Sequence[Sequence[Finding]]) -> list[View]:
    """One view a finding, in order of pictures and, within one, of its findings.

    findings: one sequence a picture. A slanted polygon is pulled straight, sideways text is laid
    flat, and what was found to be upside down is turned by 180°.
    """
    return [
        _crop(owner, picture, finding)
        for owner, (picture, found) in enumerate(zip(pictures, findings, strict=True))
        for finding in found
    ]


def by_picture(
    views: Sequence[View], rows: Sequence[tuple[Finding, ...]], pictures: int
) -> list[tuple[Finding, ...]]:
    """Findings of each view to findings of each of the `pictures` pictures, order kept."""
    found: list[list[Finding]] = [[] for _ in range(pictures)]
    for view, findings in zip(views, rows, strict=True):
        found[view.owner].extend(findings)
    return [tuple(findings) for findings in found]


def _crop(owner: int, picture: Picture, finding: Finding) -> View:
    corners = _corners(finding)
    height, width = picture.pixels.shape[:2]
    shrink = np.array([width / picture.width, height / picture.height], dtype=np.float32)
    pixels = _straightened(picture.pixels, corners * shrink)
    seen_width, seen_height = _size(corners)
    if pixels.shape[0] >= _TALL * pixels.shape[1]:
        pixels = np.rot90(pixels)
        seen_width, seen_height = seen_height, seen_width
    if finding.turned:
        pixels = np.rot90(pixels, 2)
    return View(owner, np.ascontiguousarray(pixels), seen_width, seen_height, finding)


def _corners(finding: Finding) -> Corners:
    if finding.polygon:
        return np.array(finding.polygon, dtype=np.float32)
    x1, y1, x2, y2 = finding.box
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], dtype=np.float32)


def _size(corners: Corners) -> tuple[int, int]:
    """Width and height in whole pixels, at least 1: the longer of each pair of opposite sides."""
    top_left, top_right, bottom_right, bottom_left = corners.tolist()
    width = max(math.dist(top_left, top_right), math.dist(bottom_left, bottom_right))
    height = max(math.dist(top_left, bottom_left), math.dist(top_right, bottom_right))
    return max(1, int(width)), max(1, int(height))


def _straightened(pixels: RGB, corners: Corners) -> RGB:
    """What lies between the corners, as an upright rectangle of the same size."""
    width, height = _size(corners)
    upright = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    return cv2.warpPerspective(
        pixels,
        cv2.getPerspectiveTransform(corners, upright),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.uint8, copy=False)
