"""Foot points, zones and lines: where a thing stands and what it crosses."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasfarm.core.places import INWARDS, OUTWARDS, crossed, feet, foot, in_polygon, zones_at
from nasfarm.core.recipes import Point

SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
HOOK = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.8, 1.0), (0.8, 0.2), (0.0, 0.2))
DOWN = ((0.5, 0.25), (0.5, 0.75))
ACROSS = ((0.2, 0.5), (0.8, 0.5))


def test_a_foot_point_is_the_middle_of_the_lower_edge() -> None:
    assert foot((10, 20, 30, 60), 100, 200) == (0.2, 0.3)


def test_a_foot_point_never_lies_off_the_picture() -> None:
    assert foot((90, 0, 130, 120), 100, 100) == (1.0, 1.0)


def test_only_the_labels_asked_for_have_feet() -> None:
    line = {
        "width": 100,
        "height": 100,
        "detections": [
            {"label": "person", "box": [0, 0, 20, 50]},
            {"label": "dog", "box": [40, 0, 60, 50]},
        ],
    }
    assert feet(line) == [(0.1, 0.5), (0.5, 0.5)]
    assert feet(line, frozenset({"dog"})) == [(0.5, 0.5)]
    assert feet({"status": "error"}) == []


@pytest.mark.parametrize("turned", [False, True], ids=["clockwise", "anticlockwise"])
@pytest.mark.parametrize(
    ("place", "within"),
    [
        ((0.5, 0.5), True),
        ((0.1, 0.5), False),
        ((0.9, 0.5), False),
        ((0.5, 0.1), False),
        ((0.5, 0.75), True),  # on an edge
        ((0.25, 0.25), True),  # on a corner
        ((0.1, 0.25), False),  # level with an edge
        ((0.9, 0.75), False),
    ],
)
def test_a_place_is_inside_a_square_whichever_way_round_it_is_written(
    place: Point, within: bool, turned: bool
) -> None:
    assert in_polygon(place, SQUARE[::-1] if turned else SQUARE) is within


def test_a_zone_may_be_hollowed_out() -> None:
    letter_u = [(0, 0), (0.3, 0), (0.3, 0.7), (0.7, 0.7), (0.7, 0), (1, 0), (1, 1), (0, 1)]
    assert not in_polygon((0.5, 0.5), letter_u)
    assert in_polygon((0.5, 0.8), letter_u)
    assert in_polygon((0.1, 0.1), letter_u)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_triangle_holds_what_its_three_sides_say(x: float, y: float) -> None:
    if abs(y - x) > 1e-6:
        assert in_polygon((x, y), [(0, 0), (1, 1), (0, 1)]) is (y > x)


def test_a_place_may_lie_in_several_zones() -> None:
    zones = {"hook": HOOK, "square": SQUARE, "all": ((0, 0), (1, 0), (1, 1), (0, 1))}
    assert zones_at((0.9, 0.9), zones) == ("hook", "all")
    assert zones_at((0.5, 0.5), zones) == ("square", "all")


@pytest.mark.parametrize(
    ("line", "before", "after", "way"),
    [
        (DOWN, (0.4, 0.5), (0.6, 0.5), INWARDS),
        (DOWN, (0.6, 0.5), (0.4, 0.5), OUTWARDS),
        (DOWN[::-1], (0.4, 0.5), (0.6, 0.5), OUTWARDS),
        (ACROSS, (0.5, 0.6), (0.5, 0.4), INWARDS),
        (ACROSS, (0.5, 0.4), (0.5, 0.6), OUTWARDS),
        (DOWN, (0.1, 0.5), (0.4, 0.5), 0),
        (DOWN, (0.4, 0.1), (0.6, 0.1), 0),  # past its upper end
        (DOWN, (0.4, 0.9), (0.6, 0.9), 0),  # past its lower end
        (DOWN, (0.375, 0.125), (0.625, 0.375), INWARDS),  # over its very end
        (DOWN, (0.5, 0.3), (0.5, 0.6), 0),  # along it
    ],
)
def test_a_step_crosses_a_line_one_way_or_not_at_all(
    line: tuple[Point, Point], before: Point, after: Point, way: int
) -> None:
    assert crossed(before, after, line) == way


def test_who_stops_on_a_line_crosses_it_once() -> None:
    inwards = [(0.4, 0.5), (0.5, 0.5), (0.5, 0.5), (0.6, 0.5)]
    back = [(0.6, 0.5), (0.5, 0.5), (0.6, 0.5)]
    assert [crossed(a, b, DOWN) for a, b in pairwise(inwards)] == [0, 0, 1]
    assert [crossed(a, b, DOWN) for a, b in pairwise(back)] == [-1, 1]
