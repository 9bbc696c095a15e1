"""Zones and lines as they are written to their points in the picture, checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nasfarm.core.recipes import Point, Shapes
from nasfarm.errors import RejectError

_NAME = re.compile(r"[^\W\d_][\w-]{0,31}")
"""Letters of any language: a zone may be called 门口."""
_LEAST_AREA = 1e-6
"""Of a picture: a zone of less is a line, drawn there and back."""


def zones_from(written: object, place: str) -> Shapes:
    """Name → three corners or more, in the order of a walk around the zone.

    Raises RejectError that begins with `place` and names zone and corner.
    """
    drawn = _shapes(written, f"{place}: zones", "corner")
    zones = {name: _open(corners) for name, corners in drawn.items()}
    for name, corners in zones.items():
        inner = f"{place}: zones: {name}"
        if len(corners) < 3:
            raise _refused(inner, f"{len(corners)} corners", "three corners or more")
        if _crosses_itself(corners):
            raise _refused(
                inner, list(map(list, corners)),
                "corners in the order of a walk around the zone: its sides cross",
            )  # fmt: skip
        if abs(_area(corners)) < _LEAST_AREA:
            raise _refused(inner, list(map(list, corners)), "corners with an area between them")
    return zones


def lines_from(written: object, place: str) -> Shapes:
    """Name → the two ends of a line. Raises as `zones_from`."""
    lines = _shapes(written, f"{place}: lines", "end")
    for name, ends in lines.items():
        inner = f"{place}: lines: {name}"
        if len(ends) != 2:
            raise _refused(inner, f"{len(ends)} points", "two: the ends of the line")
        if ends[0] == ends[1]:
            raise _refused(inner, list(map(list, ends)), "two ends that are not the same")
    return lines


def _open(corners: tuple[Point, ...]) -> tuple[Point, ...]:
    """Without the first corner at the end, where some programs write it once more."""
    return corners[:-1] if len(corners) > 3 and corners[0] == corners[-1] else corners


def _shapes(written: object, place: str, corner: str) -> dict[str, tuple[Point, ...]]:
    if not isinstance(written, Mapping):
        raise _refused(place, written, "lines of the form 'name: [[x, y], [x, y]]'")
    shapes = {}
    for name, points in written.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            wanted = "a name of letters, digits, - and _ that begins with a letter"
            raise _refused(f"{place}: name", name, wanted)
        if not isinstance(points, Sequence) or isinstance(points, str):
            raise _refused(
                f"{place}: {name}", points, f"a list with a pair [x, y] for each {corner}"
            )
        shapes[name] = tuple(
            _point(point, f"{place}: {name}: {corner} {number}")
            for number, point in enumerate(points, start=1)
        )
    return shapes


def _point(written: object, place: str) -> Point:
    wanted = "[x, y], each from 0 (left, top) to 1 (right, bottom) of the picture"
    if not isinstance(written, Sequence) or isinstance(written, str) or len(written) != 2:
        raise _refused(place, written, wanted)
    for value in written:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise _refused(place, written, wanted)
    return (float(written[0]), float(written[1]))


def _refused(place: str, got: object, wanted: str) -> RejectError:
    found = "nothing" if got is None else got if isinstance(got, str) else repr(got)
    return RejectError(f"{place}: got {found[:80]}, wanted {wanted}", code="recipe")


def _area(corners: Sequence[Point]) -> float:
    """Of a polygon; its sign tells which way round it goes."""
    pairs = zip(corners, (*corners[1:], corners[0]), strict=True)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs) / 2


def _crosses_itself(corners: Sequence[Point]) -> bool:
    """Whether two sides that are no neighbours cross."""
    sides = list(zip(corners, (*corners[1:], corners[0]), strict=True))
    last = len(sides) - 1
    return any(
        _cross(*sides[a], *sides[b])
        for a in range(len(sides))
        for b in range(a + 2, len(sides))
        if (a, b) != (0, last)
    )


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the ends of each side lie apart, seen from the other."""
    return (_area((a, b, c)) > 0) != (_area((a, b, d)) > 0) and (
        (_area((c, d, a)) > 0) != (_area((c, d, b)) > 0)
    )
