"""What work adds up to: the same in any order, a second in one step, a value in one bucket."""

from __future__ import annotations

from bisect import bisect_left
from functools import reduce
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasfarm.core.tallies import (
    BATCH_ROWS,
    MICRO,
    STEP_SECONDS,
    STEPS,
    Tally,
    buckets,
    observed,
    of_chunk,
    of_images,
    of_lost,
    total,
)
from nasfarm_workers.clock import Clock

MODELS = st.sampled_from(["nanodet-g@1/int8", "ppocr-v4-det@1/fp32"])
CHUNKS = st.builds(
    lambda seconds, images, batches, ok, errors: (
        of_chunk(seconds, images, batches) + of_images("nanodet-g@1/int8", ok, errors)
    ),
    st.dictionaries(st.sampled_from(STEPS), st.floats(0, 1e4)),
    st.integers(0, 64),
    st.dictionaries(MODELS, st.lists(st.integers(1, 200), max_size=6)),
    st.integers(0, 64),
    st.integers(0, 64),
)


@given(st.lists(CHUNKS, max_size=8), st.randoms())
def test_chunks_add_up_to_the_same_in_any_order_and_grouping(chunks: list[Tally], chance) -> None:  # type: ignore[no-untyped-def]
    one_by_one = reduce(add, chunks, Tally())
    mixed = list(chunks)
    chance.shuffle(mixed)
    cut = chance.randint(0, len(mixed))
    two_halves = reduce(add, mixed[:cut], Tally()) + reduce(add, mixed[cut:], Tally())
    assert two_halves == one_by_one
    assert one_by_one.of("chunks") == len(chunks)


@given(st.lists(st.floats(0, 100), max_size=50))
def test_each_value_is_in_the_first_bucket_it_does_not_pass(values: list[float]) -> None:
    tally = observed("step", "read", values, STEP_SECONDS)
    shown = list(buckets(tally, "step", "read", STEP_SECONDS))
    assert [bound for bound, _ in shown] == [*map(str, STEP_SECONDS), "+Inf"]
    for bound, count in zip([*STEP_SECONDS, float("inf")], (n for _, n in shown), strict=True):
        assert count == bisect_left(sorted(values), bound) + values.count(bound)
    assert total(tally, "step", "read") == pytest.approx(sum(values), abs=len(values) / MICRO)


def test_a_chunk_counts_one_observation_a_step_and_one_a_run() -> None:
    tally = of_chunk({"read": 0.32, "session": 6.4}, 32, {"m@1/fp32": [8, 8, 3]})
    assert dict(buckets(tally, "step", "read", STEP_SECONDS))["+Inf"] == 1
    assert total(tally, "step", "session") == 0.2
    assert dict(buckets(tally, "step", "head", STEP_SECONDS))["+Inf"] == 0, "it never came to that"
    runs = dict(buckets(tally, "batch", "m@1/fp32", BATCH_ROWS))
    assert (runs["2.0"], runs["4.0"], runs["8.0"], runs["+Inf"]) == (0, 1, 3, 3)
    assert total(tally, "batch", "m@1/fp32") == 19


def test_what_did_not_happen_takes_no_room() -> None:
    assert of_images("m@1/fp32", 0, 0) == of_lost("killed", 0) == Tally()
    assert of_images("m@1/fp32", 3, 0).counts.keys() == {("images", "ok", "m@1/fp32")}


class Hours:
    """Time that goes only when told."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.clock = Clock(lambda: self.now_s)

    def go(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_second_counts_for_the_innermost_step_only() -> None:
    time = Hours()
    with time.clock.on("decode"):
        time.go(1)
        with time.clock.on("read"):
            time.go(10)
            with time.clock.on("head"):
                time.go(100)
        time.go(2)
        with time.clock.on("read"):
            time.go(20)
    time.go(1000)
    assert time.clock.seconds == {"decode": 3, "read": 30, "head": 100}


def test_of_what_an_iterable_gives_only_the_giving_counts() -> None:
    time = Hours()
    for _ in time.clock.each("preprocess", (time.go(1) for _ in range(3))):
        time.go(10)
    assert time.clock.seconds == {"preprocess": 3}


def test_a_step_that_breaks_off_has_taken_its_time_too() -> None:
    time = Hours()
    with pytest.raises(ValueError), time.clock.on("decode"), time.clock.on("read"):
        time.go(1)
        raise ValueError
    assert time.clock.seconds == {"decode": 0, "read": 1}
