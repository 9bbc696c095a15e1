"""Plans and merged results, whatever the number of items, roots and retries."""

from __future__ import annotations

import tempfile
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
    Run,
    chunk_of,
    chunk_size,
    chunks_by_root,
    plan_retry,
    plan_runs,
    queue_name,
    queue_names,
)

JOB = "detect-1"
SIZES = st.integers(1, 9)
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
        runs.append(Run(root, start, start + length, offset=start * 100))
        start += length
    plan = plan_runs(runs, draw(SIZES))
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


@given(st.integers(0, 2_000_000), st.integers(1, 1024))
def test_a_chunk_is_never_larger_than_allowed_and_a_small_job_is_shared(
    items: int, most: int
) -> None:
    size = chunk_size(items, most)
    assert 1 <= size <= most
    if 8 <= items <= 8 * most:
        assert -(-items // size) >= 5


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
            store.chunk_file(JOB, number).write_bytes(b"".join(map(wire.line_bytes, lines)))
            for i in chunk.items:
                newest[i] = max(newest.get(i, 0), chunk.generation)
        lines_read = list(merged(store, JOB, plan))
        assert store.done_chunks(JOB) == published
    assert all(is_error(line) for line in lines_read)
    assert [
        (item_number(line), wire.decode(dict, line, "")["error"]["message"]) for line in lines_read
    ] == [(i, f"generation {generation}") for i, generation in sorted(newest.items())]


@given(st.lists(SIZES, min_size=1, max_size=4), st.data())
def test_the_manifest_gives_back_any_of_its_items(lengths: list[int], data: st.DataObject) -> None:
    names = [f"root{n}" for n, length in enumerate(lengths) for _ in range(length)]
    items = [Item(i, f"{root}:雨 {i}.jpg", i * 7, i * 10**9) for i, root in enumerate(names)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.jsonl"
        wrote = write_manifest(path, items)
        plan = plan_runs((Run(*run) for run in wrote.runs), data.draw(SIZES))
        wanted = sorted(data.draw(st.sets(st.sampled_from(range(len(items))))))
        assert read_items(path, plan, wanted) == [items[i] for i in wanted]
    assert (wrote.items, wrote.bytes) == (len(items), sum(item.bytes for item in items))
    assert [segment.root for segment in plan] == list(dict.fromkeys(names))


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


def test_long_manifests_are_cut_so_that_a_worker_never_reads_far(tmp_path: Path) -> None:
    items = (Item(i, f"photos:{i}", 1, 1) for i in range(10_000))
    wrote = write_manifest(tmp_path / "manifest.jsonl", items)
    lengths = [stop - start for _, start, stop, _ in wrote.runs]
    assert sum(lengths) == 10_000
    assert max(lengths) <= 4096
