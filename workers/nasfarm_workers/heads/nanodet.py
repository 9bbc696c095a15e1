"""NanoDet's class scores and box distributions to findings with boxes. Pure.

Source: the NanoDet project (generalized focal loss head), https://github.com/RangiLyu/nanodet
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nasfarm.core.findings import Finding, Seen
from nasfarm.core.recipes import ParamValue
from nasfarm_workers.heads.checks import wrong
from nasfarm_workers.heads.head import F32

_FINEST_STRIDE = 8
_MOST_CANDIDATES = 1000
"""Per picture, before boxes on top of each other are dropped; NanoDet's own limit."""


def read(
    outputs: Sequence[F32],
    seen: Sequence[Seen],
    options: Mapping[str, float],
    params: Mapping[str, ParamValue],
    labels: Sequence[str],
) -> list[tuple[Finding, ...]]:
    """Findings of each picture, highest score first, boxes within the original.

    outputs: for each stride 8, 16, 32 … in any order: class scores [n, cells, len(labels)], after
        the sigmoid, and distances [n, cells, 4 × bins], logits over 0 … bins − 1 strides from the
        cell's centre to the left, top, right and bottom edge. The grid is square, row by row.
    options: `bins` (11), `nms` (0.6: overlap above which the weaker box of a class goes),
        `most` (100 findings a picture).
    params: `score`, the least that counts (0.35), and `faint`, the least that is given (the same).
    Raises RejectError (`model`) where the outputs are others.
    """
    levels = _levels(outputs, len(labels), 4 * int(options.get("bins", 11)))
    least = float(params.get("score", 0.35))
    least = min(least, float(params.get("faint", least)))
    pictures = _candidates(levels, len(seen), least)
    return [
        _findings(*found, place, options, labels)
        for found, place in zip(pictures, seen, strict=True)
    ]


def _levels(outputs: Sequence[F32], classes: int, sides: int) -> list[tuple[F32, F32]]:
    """Scores and distances of each stride, finest first, whatever order the file has them in."""
    scores = sorted((o for o in outputs if o.shape[2:] == (classes,)), key=lambda o: -o.shape[1])
    distances = sorted((o for o in outputs if o.shape[2:] == (sides,)), key=lambda o: -o.shape[1])
    cells = [output.shape[1] for output in scores]
    paired = cells == [output.shape[1] for output in distances]
    square = all(math.isqrt(count) ** 2 == count for count in cells)
    if not cells or not paired or not square or len(outputs) != 2 * len(cells):
        wanted = f"pairs of (n, cells, {classes}) and (n, cells, {sides})"
        raise wrong("nanodet", wanted, [output.shape for output in outputs])
    return list(zip(scores, distances, strict=True))


def _findings(
    scores: F32,
    classes: NDArray[np.intp],
    boxes: F32,
    seen: Seen,
    options: Mapping[str, float],
    labels: Sequence[str],
) -> tuple[Finding, ...]:
    if not len(scores):
        return ()
    boxes = _on_original(boxes, seen)
    kept = _distinct(boxes, scores, classes, options.get("nms", 0.6))
    return tuple(
        Finding(
            box=(boxes[k, 0].item(), boxes[k, 1].item(), boxes[k, 2].item(), boxes[k, 3].item()),
            score=scores[k].item(),
            class_id=int(classes[k]),
            label=labels[classes[k]],
        )
        for k in kept[: int(options.get("most", 100))]
        if boxes[k, 2] > boxes[k, 0] and boxes[k, 3] > boxes[k, 1]
    )


def _candidates(
    levels: Sequence[tuple[F32, F32]], pictures: int, least_score: float
) -> Iterator[tuple[F32, NDArray[np.intp], F32]]:
    """Of each picture: scores, classes and boxes (tensor pixels) of its best candidates, highest
    score first.

    Looked for over the whole batch at once: of a call on few numbers, numpy takes most for itself.
    """
    parts = list(_level_candidates(levels, least_score))
    owners, scores, classes, boxes = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((-scores, owners))
    ends = np.searchsorted(owners[order], np.arange(pictures + 1))
    for start, end in pairwise(ends):
        best = order[start : min(end, start + _MOST_CANDIDATES)]
        yield scores[best], classes[best], boxes[best]


def _level_candidates(
    levels: Sequence[tuple[F32, F32]], least_score: float
) -> Iterator[tuple[NDArray[np.intp], F32, NDArray[np.intp], F32]]:
    """Of each stride: its candidates' pictures, scores, classes and boxes.

    Only the few cells whose score counts have their box computed.
    """
    stride = _FINEST_STRIDE
    for scores, distances in levels:
        # Over the flat array numpy looks ten times faster than over several axes.
        places, classes = np.divmod(np.flatnonzero(scores > least_score), scores.shape[2])
        owners, cells = np.divmod(places, scores.shape[1])
        across = math.isqrt(scores.shape[1])
        centres = (np.stack([cells % across, cells // across], axis=1) + 0.5) * stride
        reach = _expected(distances[owners, cells]) * stride
        boxes = np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1)
        yield owners, scores[owners, cells, classes], classes, boxes.astype(np.float32)
        stride *= 2


def _expected(logits: F32) -> F32:
    """[k, 4 × bins] logits to [k, 4]: the mean of each distribution over 0 … bins − 1."""
    spread = logits.reshape(len(logits), 4, logits.shape[1] // 4)
    weights = np.exp(spread - spread.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    mean: F32 = (weights * np.arange(weights.shape[2], dtype=np.float32)).sum(axis=2)
    return mean


def _on_original(boxes: F32, seen: Seen) -> F32:
    """Tensor pixels to pixels of the original, clipped to it."""
    offset = np.array([seen.left, seen.top] * 2, dtype=np.float32)
    scale = np.array([seen.scale_x, seen.scale_y] * 2, dtype=np.float32)
    edge = np.array([seen.width, seen.height] * 2, dtype=np.float32)
    clipped: F32 = np.clip((boxes - offset) / scale, 0, edge).astype(np.float32)
    return clipped


def _distinct(boxes: F32, scores: F32, classes: NDArray[np.intp], most_overlap: float) -> list[int]:
    """Places of the boxes to keep, best first: none overlaps a better one of its class more.

    boxes come sorted by score. Overlap is intersection over union.
    """
    doubles = _overlaps(boxes) > most_overlap
    doubles &= classes[:, None] == classes
    left = np.ones(len(scores), dtype=bool)
    kept: list[int] = []
    for best in range(len(scores)):
        if left[best]:
            kept.append(best)
            left &= ~doubles[best]
    return kept


def _overlaps(boxes: F32) -> F32:
    """[n, 4] boxes to [n, n]: intersection over union of each with each.

    All at once: box by box, numpy takes most of the time for itself.
    """
    x1, y1, x2, y2 = boxes.T
    widths = np.minimum.outer(x2, x2) - np.maximum.outer(x1, x1)
    heights = np.minimum.outer(y2, y2) - np.maximum.outer(y1, y1)
    shared = np.maximum(widths, 0) * np.maximum(heights, 0)
    areas = (x2 - x1) * (y2 - y1)
    ratios: F32 = shared / np.maximum(np.add.outer(areas, areas) - shared, 1e-9)
    return ratios
