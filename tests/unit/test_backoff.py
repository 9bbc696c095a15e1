"""How long the supervisor waits before it starts a child again."""

from __future__ import annotations

from itertools import accumulate, repeat

import pytest

from nasfarm.nodes.backoff import Backoff


def delays_after(lives_s: list[float]) -> list[float]:
    records = accumulate(lives_s, lambda record, ran_s: record.after(ran_s), initial=Backoff())
    return [record.delay_s for record in records][1:]


def test_first_death_is_followed_by_a_start_at_once() -> None:
    assert delays_after([0.1]) == [0.0]


def test_a_child_that_keeps_dying_waits_twice_as_long_each_time_up_to_thirty_seconds() -> None:
    assert delays_after([0.1] * 10) == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_three_deaths_in_a_row_are_each_followed_by_a_start_within_two_seconds() -> None:
    assert max(delays_after([0.1] * 3)) < 2.0


@pytest.mark.parametrize(
    ("ran_s", "delay_s"),
    [
        pytest.param(59.9, 4.0, id="just short of well"),
        pytest.param(60.0, 0.0, id="just well"),
        pytest.param(86_400.0, 0.0, id="a day"),
    ],
)
def test_a_minute_of_running_well_clears_the_record(ran_s: float, delay_s: float) -> None:
    assert delays_after([0.1] * 4 + [ran_s])[-1] == delay_s


def test_a_child_that_dies_for_years_still_has_a_delay() -> None:
    assert delays_after(list(repeat(0.1, 5000)))[-1] == 30.0
