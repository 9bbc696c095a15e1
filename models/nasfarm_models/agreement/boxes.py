"""Boxes that should be found and boxes that were found to one figure, average precision. Pure.

Source: the PASCAL VOC and COCO measures of detectors, with one list for all classes together:
rare classes would otherwise weigh as much as common ones, and a single box decide over them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasfarm.core.findings import Finding
from nasfarm.core.lines import Box

OVERLAP = 0.5
"""From this intersection over union on, two boxes show the same thing."""


def pooled_ap50(wanted: Sequence[Sequence[Finding]], found: Sequence[Sequence[Finding]]) -> float:
    """Average precision at an overlap of 0.5 over all pictures and classes together, 0..1.

    wanted, found: one sequence a picture. A wanted box is found at most once, by the surest box of
    its label. Without any wanted box: 1.0 where nothing was found either, else 0.0.
    """
    count = sum(len(each) for each in wanted)
    if not count:
        return 0.0 if any(found) else 1.0
    left = [list(each) for each in wanted]
    surest_first = sorted(
        ((one.score, picture, one) for picture, row in enumerate(found) for one in row),
        key=lambda each: (-each[0], each[1], each[2].box),
    )
    hits = np.array([_taken(one, left[picture]) for _, picture, one in surest_first], bool)
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    # The precision at a recall is the best that any longer list still has (VOC 2010, COCO).
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[hits].sum() / count)


def _taken(one: Finding, left: list[Finding]) -> bool:
    """Whether the box shows one of those left, which then is no longer left."""
    same = [other for other in left if other.label == one.label]
    best = max(same, key=lambda other: overlap(one.box, other.box), default=None)
    if best is None or overlap(one.box, best.box) < OVERLAP:
        return False
    left.remove(best)
    return True


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
