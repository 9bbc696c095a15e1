"""Boxes to the places where things stand, the zones around these and the lines they cross. Pure.

Places are points (x, y), 0..1 from the picture's left and top, as a recipe's zones and lines are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nasfarm.core.lines import Box
from nasfarm.core.recipes import Point, Shapes

INWARDS, OUTWARDS = 1, -1
"""Which way a line was crossed, as `crossed` says it."""

_NEAR = 1e-9


def foot(box: Box | Sequence[float], width: float, height: float) -> Point:
    """Where a thing touches the ground: the middle of its box's lower edge, never off the picture.

    box: in pixels of a picture of `width` x `height`.
    """
    x1, _, x2, y2 = box
    return (_limited((x1 + x2) / 2 / width), _limited(y2 / height))


def feet(record: Mapping[str, Any], labels: frozenset[str] = frozenset()) -> list[Point]:
    """The foot points of a result line's detections, in their order; without labels, of all."""
    return [
        foot(found["box"], record["width"], record["height"])
        for found in record.get("detections", ())
        if not labels or found["label"] in labels
    ]


def zones_at(place: Point, zones: Shapes) -> tuple[str, ...]:
    """The names of the zones that a place lies in, in the recipe's order."""
    return tuple(name for name, corners in zones.items() if in_polygon(place, corners))


def in_polygon(point: Point, corners: Sequence[Point]) -> bool:
    """Whether a point lies in a polygon; its edge belongs to it.

    Who is cut off by the picture's lower edge stands on the edge of a zone that reaches down to it.
    """
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        across = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        between = min(x1, x2) - _NEAR <= x <= max(x1, x2) + _NEAR
        if between and min(y1, y2) - _NEAR <= y <= max(y1, y2) + _NEAR and abs(across) < _NEAR:
            return True
        # A ray to the right crosses the edges of the polygon an odd number of times from inside.
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


def crossed(before: Point, after: Point, line: Sequence[Point]) -> int:
    """INWARDS, OUTWARDS or 0: which way a straight step from `before` to `after` crosses a line.

    Inwards is to the left hand of whoever walks on the picture from the line's first end to its
    second: to the right over a line from the top down, upwards over one from left to right.
    Who stands on the line is still outside: a step that ends there and one that goes on count once.
    """
    start, end = line
    was_in, is_in = _turn(start, end, before) < 0, _turn(start, end, after) < 0
    if was_in == is_in:
        return 0
    one, other = _turn(before, after, start), _turn(before, after, end)
    if (one > 0 and other > 0) or (one < 0 and other < 0):
        return 0  # past one of the line's ends
    return INWARDS if is_in else OUTWARDS


def _turn(start: Point, end: Point, place: Point) -> float:
    """Above 0 where the place lies to the right hand of the way from start to end, with y growing
    downwards; below 0 to the left; 0 on the way.
    """
    (x1, y1), (x2, y2), (x, y) = start, end, place
    return (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)


def _limited(part: float) -> float:
    return min(1.0, max(0.0, part))
