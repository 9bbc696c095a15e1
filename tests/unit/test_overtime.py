"""Spans of time: few rows however much comes, in whichever order."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from nasfarm_workers.recipes.overtime import OverTime


@dataclass
class Times:
    """How many there were."""

    count: int = 0

    def take_in(self, other: Times) -> None:
        self.count += other.count


def spans(times_s: list[float], most: int) -> list[tuple[int, int]]:
    """How many of the times lie in each span."""
    over: OverTime[Times] = OverTime(most)
    for time_s in times_s:
        over.at(time_s, Times).count += 1
    return [(begins_s, held.count) for begins_s, held in over.spans()]


def test_a_few_moments_have_a_second_each() -> None:
    assert spans([3.2, 3.9, 7.0], 10) == [(3, 2), (7, 1)]


def test_spans_become_as_wide_as_need_be() -> None:
    day = [float(second) for second in range(0, 86_400, 60)]
    assert len(spans(day, 1440)) == 1440
    assert spans(day, 23) == [(begins_s, 360) for begins_s in range(0, 86_400, 21_600)]
    assert spans([*day, 40 * 365 * 86_400.0], 2) == [(0, 1440), (1_261_440_000, 1)]


@given(st.lists(st.floats(-1e9, 2e9), min_size=1, max_size=60), st.integers(2, 20), st.randoms())
def test_the_order_does_not_matter_and_nothing_is_lost(
    times_s: list[float], most: int, chance: random.Random
) -> None:
    told = spans(times_s, most)
    assert len(told) <= most
    assert sum(count for _, count in told) == len(times_s)
    chance.shuffle(times_s)
    assert spans(times_s, most) == told
