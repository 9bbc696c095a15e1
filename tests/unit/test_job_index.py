"""The index of ended jobs: believed only as long as it holds, and nothing breaks without it."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jobfolders import job_of, opened_home, put_done, put_job
from nasfarm.broker.hints import Waiting
from nasfarm.core.jobs import Progress, Segment, State
from nasfarm.home import Home
from nasfarm.jobs.ends import told_by_names
from nasfarm.jobs.index import LOOK_AGAIN_S, LOOKS, Ended, index_file, open_index
from nasfarm.jobs.reopened import mark, marks, unmark
from nasfarm.reconcile import end_of

NOW_S = 1_800_000_000.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return opened_home(tmp_path)


def remember(home: Home, *ended: Ended, now_s: float = NOW_S) -> None:
    with open_index(home.state_dir, home.jobs.folder) as index:
        for each in ended:
            index.put(each, now_s)


def believed(home: Home, *there: str, live: tuple[str, ...] = (), now_s: float = NOW_S) -> set[str]:
    """What a fresh process takes for ended, with these jobs in the home and live in Redis."""
    with open_index(home.state_dir, home.jobs.folder) as index:
        known = index.ids()
        index.sift(known, set(there), set(live), home.jobs, now_s)
        return known


def ended(job_id: str, generation: int = 0, *, failed: bool = False, created: str = "") -> Ended:
    return Ended(job_id, created or f"2026-01-01T00:00:00+00:00{job_id}", generation, failed)


def test_what_was_put_is_there_in_the_next_process(home: Home) -> None:
    shown = Progress("b", State.DONE, 2, 1, 1, 1, 1, images_per_s=3.5)
    remember(home, ended("a"), replace(ended("b"), progress=shown), ended("c"))
    with open_index(home.state_dir, home.jobs.folder) as index:
        assert [each.job_id for each in index.newest(None)] == ["c", "b", "a"]
        assert [each.progress for each in index.newest(2)] == [None, shown]


def test_looking_again_keeps_what_farm_jobs_shows_until_something_has_changed(home: Home) -> None:
    shown = Progress("a", State.DONE, 2, 1, 1, 1, 1)
    for again, kept in ((ended("a"), shown), (ended("a", generation=1), None)):
        remember(home, replace(ended("a"), progress=shown))
        remember(home, again, now_s=NOW_S + 1)
        with open_index(home.state_dir, home.jobs.folder) as index:
            assert [each.progress for each in index.newest(None)] == [kept]


def test_a_retry_on_another_node_takes_a_job_out_until_its_new_end_is_known(home: Home) -> None:
    remember(home, ended("a"), ended("b"))
    mark(home.jobs.folder, "a", 1)
    assert believed(home, "a", "b") == {"b"}
    remember(home, ended("a"))  # somebody read the folder just before the new chunks were there
    assert believed(home, "a", "b") == {"b"}
    remember(home, ended("a", generation=1))
    assert believed(home, "a", "b") == {"a", "b"}
    mark(home.jobs.folder, "a", 2)
    assert believed(home, "a", "b") == {"b"}


def test_extending_a_plan_leaves_the_mark(home: Home) -> None:
    put_done(home.jobs, "detect-0123456789")
    segment = Segment(1, "home", 0, 0, 1, 0, generation=1, picked=(1,))
    home.jobs.extend_plan("detect-0123456789", (segment,))
    assert marks(home.jobs.folder) == {"detect-0123456789": 1}


def test_marks_go_with_their_jobs(home: Home) -> None:
    for job_id, generation in (("a", 1), ("a", 2), ("a.b", 1), ("b", 1)):
        mark(home.jobs.folder, job_id, generation)
    unmark(home.jobs.folder, ["a"])
    assert marks(home.jobs.folder) == {"a.b": 1, "b": 1}


def test_a_failed_job_is_believed_as_long_as_its_marker_is_there(home: Home) -> None:
    put_job(home.jobs, job_of("a"))
    home.jobs.fail("a", "the model is gone")
    remember(home, ended("a", failed=True))
    assert believed(home, "a") == {"a"}
    home.jobs.reopen("a")
    assert believed(home, "a") == set()


def test_a_job_that_is_gone_or_live_is_not_believed(home: Home) -> None:
    remember(home, ended("gone"), ended("live"), ended("old"))
    assert believed(home, "live", "old", live=("live", "other")) == {"old"}


def test_nothing_is_believed_for_longer_than_a_week_but_not_all_is_read_at_once(home: Home) -> None:
    ids = [f"job-{n:03}" for n in range(2 * LOOKS)]
    remember(home, *map(ended, ids))
    late_s = NOW_S + LOOK_AGAIN_S + 1
    assert believed(home, *ids, now_s=late_s - 2) == set(ids)
    assert believed(home, *ids, now_s=late_s) == set(ids[LOOKS:])
    remember(home, *map(ended, ids[:LOOKS]), now_s=late_s)  # somebody has looked again
    assert believed(home, *ids, now_s=late_s) == set(ids[:LOOKS])


@pytest.mark.parametrize(
    "content", [b"no database at all" * 300, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_file_costs_one_look_and_begins_anew(
    home: Home, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = index_file(home.state_dir, home.jobs.folder)
    path.parent.mkdir()
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert believed(home, "a") == set()
    assert [record.__dict__["action"] for record in caplog.records] == ["index_unusable"]
    remember(home, ended("a"))
    assert believed(home, "a") == {"a"}


def test_a_page_that_is_damaged_later_on_costs_no_more(home: Home) -> None:
    ids = [f"job-{n:04}" for n in range(2000)]
    remember(home, *map(ended, ids))
    path = index_file(home.state_dir, home.jobs.folder)
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    assert believed(home, *ids) == set()
    remember(home, ended("a"))
    assert believed(home, "a") == {"a"}


def test_where_no_index_can_be_kept_all_is_read(home: Home) -> None:
    (home.state_dir / "index").write_text("a file where the folder should be")
    remember(home, ended("a"))
    assert believed(home, "a") == set()


def test_each_home_has_its_own_index(home: Home, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    other = opened_home(tmp_path / "second")
    remember(home, ended("a"))
    with open_index(home.state_dir, other.jobs.folder) as index:
        assert index.ids() == set()


def cancelled(home: Home) -> None:
    put_job(home.jobs, job_of("a"))
    home.jobs.cancel("a")


def retried(home: Home) -> None:
    put_done(home.jobs, "a")
    home.jobs.extend_plan("a", (Segment(1, "home", 0, 0, 1, 0, generation=1, picked=(1,)),))


def rolling(home: Home) -> None:
    put_done(home.jobs, "a")
    path = home.jobs.path("a") / "job.json"
    day = b'"items": 2,\n  "watched": {"day": "2026-11-23"}'
    path.write_bytes(path.read_bytes().replace(b'"items": 2', day))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        pytest.param(lambda home: put_done(home.jobs, "a"), 0, id="done"),
        pytest.param(cancelled, 0, id="cancelled"),
        pytest.param(lambda home: [retried(home), home.jobs.cancel("a")], 1, id="cancelled retry"),
        pytest.param(lambda home: put_job(home.jobs, job_of("a")), None, id="not begun"),
        pytest.param(retried, None, id="retried"),
        pytest.param(rolling, None, id="a watched day"),
        pytest.param(lambda home: home.jobs.path("a").mkdir(), None, id="no job"),
        pytest.param(lambda _home: None, None, id="nothing"),
    ],
)
def test_names_tell_of_an_end_only_where_they_can(
    home: Home, make: Callable[[Home], object], told: int | None
) -> None:
    make(home)
    found = told_by_names(home.jobs.folder, "a")
    assert (found and found.generation) == told
    if found is not None:
        assert found == end_of(home.jobs.load("a"), home), "reading the job says the same"


def test_a_pass_reads_each_queue_once() -> None:
    reads: Counter[str] = Counter()

    def read(queue: str) -> set[tuple[str, int]]:
        reads[queue] += 1
        return {("a", 1), ("a", 2), ("b", 1)}

    waiting = Waiting(read)
    assert [waiting.of("q", job_id) for job_id in "abc"] == [{1, 2}, {1}, set()]
    assert waiting.of("other", "b") == {1}
    assert reads == {"q": 1, "other": 1}


def test_an_index_of_many_jobs_is_read_in_an_instant(home: Home) -> None:
    shown = Progress("x", State.DONE, 2, 1, 1, 1, 1)
    rows = [replace(ended(f"job-{n:05}"), progress=shown) for n in range(20_000)]
    remember(home, *rows)
    begun = time.process_time()
    with open_index(home.state_dir, home.jobs.folder) as index:
        assert len(index.newest(None)) == len(rows)
    assert time.process_time() - begun < 1
