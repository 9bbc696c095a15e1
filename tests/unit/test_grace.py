"""The shares of a grace time follow one another, and the broker's is within the whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nasfarm.nodes.grace import of_agent, of_slots, of_work


@given(st.floats(5.01, 3600))
def test_work_ends_before_its_slot_the_slot_before_the_agent_and_all_within_the_grace(
    grace_s: float,
) -> None:
    assert 0 <= of_work(grace_s) < of_slots(grace_s) < of_agent(grace_s) < grace_s


def test_most_of_the_usual_ten_seconds_is_for_work() -> None:
    assert (of_work(10), of_slots(10), of_agent(10)) == (6, 8, 9)
