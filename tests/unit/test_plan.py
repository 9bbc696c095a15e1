"""Plans and merged results, whatever the number of items, roots and retries."""

from __future__ import annotations

import tempfile
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasfarm.core import wire
from nasfarm.core.items import Item, address, split_address
from nasfarm.core.jobs import Priority, Segment
from nasfarm.core.lines import Fault, Line
from nasfarm.jobs.manifest import read_items, write_manifest
from nasfarm.jobs.results import is_error, item_number, merged
from nasfarm.jobs.store import JobStore
from nasfarm.plan.chunks import (
    SPAN,
    Run,
    chunk_of,
    chunks_by_root,
    plan_retry,
    plan_runs,
    queue_name,
    queue_names,
)
from nasfarm.plan.sizes import MOST_ITEMS, TARGET_S, Sizes, sizes

JOB = "detect-1"
SIZES = st.builds(
    lambda most, least, slots: Sizes(most, min(most, least), slots),
    st.integers(1, 9), st.integers(1, 4), st.integers(1, 5),
)  # fmt: skip
LINE_BYTES = 100
PATHS = st.one_of(
    st.binary(min_size=1, max_size=255),
    st.text("%014aAé雨\n :/", min_size=1).map(str.encode),  # much that looks percent-encoded
)
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=6)


@st.composite
def plans(draw: st.DrawFn) -> tuple[Segment, ...]:
    """A first plan of some runs, and up to three retries of some of its items."""
    runs, start = [], 0
    for number, length in enumerate(draw(LENGTHS)):
        root = draw(st.sampled_from(["photos", "scans", f"root{number}"]))
        runs.append(Run(root, start, start + length))
        start += length
    plan = plan_runs(runs, draw(SIZES), lambda i: i * LINE_BYTES)
    for _ in range(draw(st.integers(0, 3))):
        failed = draw(st.sets(st.integers(0, start - 1), min_size=1))
        plan += plan_retry(plan, failed, draw(SIZES))
    return plan


def items_of(plan: tuple[Segment, ...], generation: int) -> list[int]:
    segments = [segment for segment in plan if segment.generation == generation]
    numbers = [n for segment in segments for n in range(segment.first, segment.end)]
    return [i for number in numbers for i in chunk_of(JOB, plan, number).items]


@given(plans())
def test_every_item_of_a_generation_is_in_exactly_one_chunk(plan: tuple[Segment, ...]) -> None:
    total = max(segment.stop for segment in plan)
    assert items_of(plan, 0) == list(range(total))
    for generation in range(1, plan[-1].generation + 1):
        items = items_of(plan, generation)
        assert items
        assert len(items) == len(set(items))
        assert set(items) <= set(range(total))


@given(plans())
def test_no_chunk_crosses_roots_and_none_is_empty_or_too_large(plan: tuple[Segment, ...]) -> None:
    root_at = {
        i: segment.root
        for segment in plan
        if not segment.picked
        for i in range(segment.start, segment.stop)
    }
    for segment in plan:
        for number in range(segment.first, segment.end):
            chunk = chunk_of(JOB, plan, number)
            assert 1 <= len(chunk.items) <= segment.size
            assert {root_at[i] for i in chunk.items} == {chunk.root}


@given(plans())
def test_chunk_numbers_have_no_gaps_and_lead_back_to_their_segment(
    plan: tuple[Segment, ...],
) -> None:
    owners = [segment for segment in plan for _ in range(segment.chunks)]
    assert len(owners) == plan[-1].end
    for number, segment in enumerate(owners):
        chunk = chunk_of(JOB, plan, number)
        assert (chunk.number, chunk.root, chunk.generation) == (
            number, segment.root, segment.generation,
        )  # fmt: skip
    blocks = chunks_by_root(plan).values()
    assert sorted(n for ranges in blocks for each in ranges for n in each) == list(
        range(plan[-1].end)
    )


@given(plans(), st.integers(0, 5))
def test_a_number_outside_the_plan_is_refused(plan: tuple[Segment, ...], more: int) -> None:
    with pytest.raises(LookupError):
        chunk_of(JOB, plan, plan[-1].end + more)
    with pytest.raises(LookupError):
        chunk_of(JOB, plan, -1 - more)


@given(plans())
def test_a_segment_begins_where_its_first_item_lies(plan: tuple[Segment, ...]) -> None:
    assert all(one.offset == one.start * LINE_BYTES for one in plan if not one.picked)


@given(
    items=st.integers(1, 5_000),
    rate=st.none() | st.floats(0.01, 500),
    slots=st.integers(0, 64),
    chunk_items=st.integers(1, 1024),
)
def test_chunks_are_some_seconds_of_work_and_shrink_towards_the_end(
    items: int, rate: float | None, slots: int, chunk_items: int
) -> None:
    per_s = chunk_items / TARGET_S if rate is None else rate
    cut = sizes(rate, slots, chunk_items)
    plan = plan_runs([Run("photos", 0, items)], cut, lambda i: i)
    lengths = [len(chunk_of(JOB, plan, number).items) for number in range(plan[-1].end)]
    assert sum(lengths) == items
    assert max(lengths) <= max(1, TARGET_S * per_s + 0.5)
    assert max(lengths) <= MOST_ITEMS
    assert max(lengths) <= max(cut.least, -(-items // (2 * cut.slots))), "one slot has it all"
    assert lengths[-1] <= cut.least
    sized = [segment.size for segment in plan]
    assert sized == sorted(sized, reverse=True), "the tail does not shrink"
    assert len(plan) <= 12 + items // (SPAN - MOST_ITEMS)


@pytest.mark.parametrize(
    ("items", "slots", "wanted"),
    [
        pytest.param(1, 2, [1], id="a single picture"),
        pytest.param(2, 4, [1, 1], id="fewer than slots"),
        pytest.param(10, 2, [5, 5], id="one chunk a slot"),
        pytest.param(64, 2, [16, 16, 8, 8, 8, 8], id="halves, and an even end"),
        pytest.param(
            400, 2, [72, 72, 72, 46, 46, 23, 23, 12, 12, 6, 6, 6, 4], id="whole ones first"
        ),
    ],
)
def test_a_job_of_25_images_a_second_is_cut_like_this(
    items: int, slots: int, wanted: list[int]
) -> None:
    plan = plan_runs([Run("photos", 0, items)], sizes(25, slots, 32), lambda i: i)
    assert [len(chunk_of(JOB, plan, n).items) for n in range(plan[-1].end)] == wanted


@given(SIZES, LENGTHS, st.integers(1, 5))
def test_slots_that_take_chunks_as_they_come_end_within_a_small_chunk_of_each_other(
    cut: Sizes, lengths: list[int], speed: int
) -> None:
    """One of the slots is up to five times slower than the others."""
    items = sum(lengths)
    plan = plan_runs([Run("photos", 0, items)], cut, lambda i: i)
    free_at = [0] * cut.slots
    for number in range(plan[-1].end):
        slot = free_at.index(min(free_at))
        pace = speed if slot == 0 else 1
        free_at[slot] += pace * len(chunk_of(JOB, plan, number).items)
    shared = [at for at in free_at if at]
    assert max(shared) - min(shared) <= speed * plan[0].size
    if speed == 1:
        assert max(free_at) <= items / cut.slots + max(cut.least, 1) + 1


def test_a_million_items_are_a_short_plan() -> None:
    plan = plan_runs([Run("photos", 0, 1_000_000)], sizes(25, 2, 32), lambda i: i)
    assert len(plan) < 270
    assert plan[-1].stop == 1_000_000


@given(plans(), st.data())
def test_what_failed_is_tried_again_in_small_chunks(
    plan: tuple[Segment, ...], data: st.DataObject
) -> None:
    cut = data.draw(SIZES)
    again = plan_retry(
        plan, data.draw(st.sets(st.sampled_from(range(plan[0].stop)), min_size=1)), cut
    )
    assert all(segment.size <= cut.least for segment in again)


@given(plans(), st.data())
def test_merged_gives_each_items_newest_line_once_and_in_order(
    plan: tuple[Segment, ...], data: st.DataObject
) -> None:
    published = data.draw(st.sets(st.integers(0, plan[-1].end - 1)))
    newest: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = JobStore(Path(folder))
        (store.path(JOB) / "chunks").mkdir(parents=True)
        for number in published:
            chunk = chunk_of(JOB, plan, number)
            said = f"generation {chunk.generation}"
            lines = (Line(i, f"photos:{i}", fault=Fault("decode", said)) for i in chunk.items)
            store.chunk_file(JOB, number).write_bytes(
                b"".join(wire.line_bytes(line, n) for n, line in enumerate(lines))
            )
            for i in chunk.items:
                newest[i] = max(newest.get(i, 0), chunk.generation)
        lines_read = list(merged(store, JOB, plan))
        assert store.done_chunks(JOB) == published
    assert all(is_error(line) for line in lines_read)
    assert [
        (item_number(line), wire.decode(dict, line, "")["error"]["message"]) for line in lines_read
    ] == [(i, f"generation {generation}") for i, generation in sorted(newest.items())]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.data())
def test_the_manifest_gives_back_any_of_its_items(lengths: list[int], data: st.DataObject) -> None:
    names = [f"root{n}" for n, length in enumerate(lengths) for _ in range(length)]
    items = [Item(i, f"{root}:雨 {i}.jpg", i * 7, i * 10**9) for i, root in enumerate(names)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.jsonl"
        wrote = write_manifest(path, items)
        offset_of = wrote.offsets.__getitem__
        plan = plan_runs((Run(*run) for run in wrote.runs), data.draw(SIZES), offset_of)
        wanted = sorted(data.draw(st.sets(st.sampled_from(range(len(items))))))
        assert read_items(path, plan, wanted) == [items[i] for i in wanted]
    assert (wrote.items, wrote.bytes) == (len(items), sum(item.bytes for item in items))
    assert [root for root, _ in groupby(segment.root for segment in plan)] == list(
        dict.fromkeys(names)
    )


@given(st.sampled_from(["home", "photos", "a-b_1"]), PATHS)
def test_an_address_leads_back_to_the_very_bytes_of_the_name(root: str, path: bytes) -> None:
    item = address(root, path)
    assert split_address(item) == (root, path)
    item.encode("utf-8")


@given(PATHS, PATHS)
def test_two_names_never_share_an_address(one: bytes, other: bytes) -> None:
    assert (address("photos", one) == address("photos", other)) == (one == other)


@given(st.text(min_size=1).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_names_of_text_lead_back_too(path: bytes) -> None:
    assert split_address(address("photos", path)) == ("photos", path)


def test_urgent_queues_of_every_root_come_before_all_less_urgent_ones() -> None:
    names = queue_names({"scans", "photos"})
    assert names == [
        queue_name(priority, root)
        for priority in (Priority.HIGH, Priority.NORMAL, Priority.LOW)
        for root in ("photos", "scans")
    ]


def test_long_manifests_are_cut_so_that_a_worker_never_reads_far() -> None:
    plan = plan_runs([Run("photos", 0, 20_000)], sizes(None, 2, 7), lambda i: i)
    lengths = [segment.items for segment in plan]
    assert sum(lengths) == 20_000
    assert max(lengths) <= SPAN
