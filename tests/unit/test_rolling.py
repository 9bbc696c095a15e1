"""A rolling job's files: appended to, read as far as they are whole, never by two at once."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from nasfarm.core import wire
from nasfarm.core.items import Found, Item
from nasfarm.core.jobs import Segment, end_of_plan, items_in
from nasfarm.errors import RetryError
from nasfarm.jobs.manifest import read_items
from nasfarm.jobs.rolling import Rolling
from nasfarm.jobs.store import MOST_ROLLING, JobStore
from nasfarm.plan.chunks import Run, plan_retry, plan_runs
from nasfarm.plan.sizes import Sizes

PACE = Sizes(4, 2, 2)


def cut(plan: tuple[Segment, ...], start: int, offsets: Sequence[int]) -> tuple[Segment, ...]:
    run = Run("home", start, start + len(offsets))
    return plan_runs([run], PACE, lambda i: offsets[i - start], end_of_plan(plan))


def some(*names: str) -> list[Found]:
    return [Found(f"home:inbox/{name}.jpg", 7, 1) for name in names]


@pytest.fixture
def rolling(tmp_path: Path) -> Rolling:
    for name in ("manifest.jsonl", "plan.jsonl"):
        (tmp_path / name).touch()
    return Rolling(tmp_path)


def read_back(rolling: Rolling) -> list[str]:
    """Names of all items, by the plan, as a worker that starts now reads them."""
    plan = Rolling(rolling.folder).plan.read()
    found = read_items(rolling.folder / "manifest.jsonl", plan, range(items_in(plan)))
    assert [item.i for item in found] == list(range(len(found)))
    return [item.item.removeprefix("home:inbox/").removesuffix(".jpg") for item in found]


def test_it_begins_empty_and_grows_burst_by_burst(rolling: Rolling) -> None:
    assert rolling.plan.read() == ()
    assert rolling.addresses() == set()
    rolling.append(some("a"), cut)
    segments = rolling.append(some(*"bcdefghijk"), cut)
    assert segments[0].first == 1
    assert read_back(rolling) == list("abcdefghijk")
    assert len(rolling.addresses()) == 11
    chunks = [(segment.first, segment.end) for segment in rolling.plan.read()]
    assert chunks[0] == (0, 1)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(chunks))


@pytest.mark.parametrize("name", ["manifest.jsonl", "plan.jsonl"])
@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b'{"i": 99, "it', id="torn"),
        pytest.param(b"\0" * 40, id="zeros"),
        pytest.param(b"\0" * 40 + b"\n", id="a-line-of-zeros"),
        pytest.param(b'{"i":1,"item":"home:inbox/never.jpg","bytes":1,"mtime_ns":1}\n', id="whole"),
    ],
)
def test_what_a_broken_off_writer_left_at_the_end_is_written_over(
    rolling: Rolling, name: str, tail: bytes
) -> None:
    rolling.append(some("a"), cut)
    with open(rolling.folder / name, "ab") as file:
        file.write(tail)
    assert read_back(rolling) == ["a"]
    Rolling(rolling.folder).plan.read()
    again = Rolling(rolling.folder)
    again.plan.read()
    again.append(some("b", "c"), cut)
    assert read_back(again) == ["a", "b", "c"]
    assert again.addresses() == {f"home:inbox/{name}.jpg" for name in "abc"}


@pytest.mark.parametrize("cut_off", range(0, 400, 7))
def test_wherever_a_write_was_cut_off_the_earlier_items_stand(tmp_path: Path, cut_off: int) -> None:
    for name in ("manifest.jsonl", "plan.jsonl"):
        (tmp_path / name).touch()
    rolling = Rolling(tmp_path)
    rolling.append(some("a"), cut)
    whole = {name: (tmp_path / name).stat().st_size for name in ("manifest.jsonl", "plan.jsonl")}
    rolling.append(some("b", "c"), cut)
    # The manifest is on disk before the plan is begun: either the one is cut off or the other.
    for name, size in whole.items():
        rest = (tmp_path / name).stat().st_size - size
        if cut_off < rest:
            os.truncate(tmp_path / name, size + cut_off)
            if name == "manifest.jsonl":
                os.truncate(tmp_path / "plan.jsonl", whole["plan.jsonl"])
            break
        cut_off -= rest
    names = read_back(rolling)
    assert names in (["a"], ["a", "b", "c"])
    fresh = Rolling(tmp_path)
    fresh.plan.read()
    fresh.append(some("d"), cut)
    assert read_back(fresh) == [*names, "d"]


def test_who_has_not_seen_what_another_added_adds_nothing(rolling: Rolling) -> None:
    other = Rolling(rolling.folder)
    other.append(some("a"), cut)
    with pytest.raises(RetryError, match="another process has added to it"):
        rolling.append(some("a"), cut)
    assert read_back(rolling) == ["a"]
    rolling.append(some("b"), cut)  # it has been read by now
    assert read_back(rolling) == ["a", "b"]


def test_a_retry_takes_the_next_chunks_and_later_items_the_ones_after_it(rolling: Rolling) -> None:
    rolling.append(some("a", "b", "c"), cut)
    plan = rolling.plan.read()
    retried = plan_retry(plan, [1], PACE)
    rolling.extend(retried)
    assert retried[0].first == end_of_plan(plan)
    segments = rolling.append(some("d"), cut)
    assert segments[0].first == retried[-1].end
    assert segments[0].generation == 0
    assert read_back(rolling) == ["a", "b", "c", "d"]
    assert items_in(rolling.plan.read()) == 4


def test_of_two_retries_of_the_same_items_one_comes_in(rolling: Rolling) -> None:
    rolling.append(some("a", "b"), cut)
    segments = plan_retry(rolling.plan.read(), [0], PACE)
    rolling.extend(segments)
    with pytest.raises(RetryError, match="another retry"):
        rolling.extend(segments)


def test_only_what_has_come_is_read_again(rolling: Rolling) -> None:
    reader = Rolling(rolling.folder)
    rolling.append(some("a"), cut)
    first = reader.plan.read()
    size = reader.plan.bytes
    rolling.append(some("b"), cut)
    assert reader.plan.read()[: len(first)] == first
    assert reader.plan.bytes > size


def test_a_manifest_line_is_as_in_any_job(rolling: Rolling) -> None:
    rolling.append(some("a"), cut)
    (line,) = (rolling.folder / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    assert line == wire.item_bytes(Item(0, "home:inbox/a.jpg", 7, 1))
    assert line == b'{"i":0,"item":"home:inbox/a.jpg","bytes":7,"mtime_ns":1}\n'


def test_a_rolling_job_that_is_at_work_is_kept_in_mind_whatever_others_are_asked_for(
    tmp_path: Path,
) -> None:
    """One that was forgotten would take its own last addition for another process's."""
    store = JobStore(tmp_path)
    mine = store.rolling("watch-detect-2026-05-04")
    for n in range(MOST_ROLLING - 1):
        store.rolling(f"watch-other{n}-2026-05-04")
    assert store.rolling("watch-detect-2026-05-04") is mine
    for n in range(3 * MOST_ROLLING):
        store.rolling(f"watch-old{n}-2026-05-03")
        assert store.rolling("watch-detect-2026-05-04") is mine
