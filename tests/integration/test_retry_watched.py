"""`farm retry` of a job that still grows, and of one whose day is over: counts, files, places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nasfarm import follow
from nasfarm.broker.client import Broker
from nasfarm.core.jobs import Job, Refreshed, State, end_of_plan
from nasfarm.core.lines import Line
from nasfarm.core.ranges import ranges_of
from nasfarm.home import Home
from nasfarm.plan.chunks import chunk_of
from nasfarm.reconcile import reconcile
from ownbroker import own_broker
from watchedjobs import WatchedJob, bare_home, broken, nobody

DAY = "2026-11-23"


@dataclass(frozen=True, slots=True)
class Watch:
    """A rolling job of three pictures, the last two of them broken, and its broker."""

    home: Home
    broker: Broker
    day: WatchedJob

    @property
    def job(self) -> Job:
        return self.home.jobs.load(self.day.job_id)

    def line(self, i: int, *, good: bool) -> Line:
        return (nobody if good else broken)(i, self.day.item(f"cam/{i}.jpg"))

    def work(self, *good: int) -> None:
        """What workers do with all there is to do: only these items go well."""
        jobs, plan = self.home.jobs, self.home.jobs.plan(self.job)
        for number in set(range(end_of_plan(plan))) - jobs.done_chunks(self.job.job_id):
            items = chunk_of("", plan, number).items
            self.day.publish(number, *(self.line(i, good=i in good) for i in items))
        reconcile(self.home, self.broker, set())

    def retry(self) -> int:
        return follow.retry(self.job, self.home, self.broker)

    def counts(self) -> tuple[State, int, int, int]:
        now = follow.progress(self.job, self.home, self.broker)
        return now.state, now.items, now.ok, now.errors


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with own_broker(tmp_path_factory.mktemp("broker")) as own:
        yield own.url


@pytest.fixture
def watch(tmp_path: Path, url: str) -> Iterator[Watch]:
    home = bare_home(tmp_path)
    watch = Watch(home, Broker(url, 30), WatchedJob(home.jobs, "detect", DAY).made())
    watch.day.plan(3)
    watch.work(0)
    yield watch
    watch.broker.leases.forget(watch.day.job_id)


def test_what_went_well_again_is_no_error_any_more(watch: Watch) -> None:
    assert watch.counts()[1:] == (3, 1, 2)
    assert watch.retry() == 2
    assert watch.counts()[1:] == (3, 1, 2), "as long as nothing has come of it"
    watch.work(1)
    assert watch.counts()[1:] == (3, 2, 1)
    assert [line["i"] for line in follow.failed_lines(watch.job, watch.home)] == [2]
    assert watch.retry() == 1
    watch.work()
    assert watch.counts()[1:] == (3, 2, 1)


def test_a_retry_asked_for_twice_runs_once(watch: Watch) -> None:
    assert watch.retry() == 2
    assert watch.retry() == 0
    watch.work(1, 2)
    assert watch.counts()[1:] == (3, 3, 0)
    assert watch.retry() == 0


def test_the_job_goes_on_growing_after_a_retry(watch: Watch) -> None:
    watch.retry()
    assert watch.day.plan(1) == [[3]]
    watch.work(1, 2)
    assert watch.counts()[1:] == (4, 3, 1)
    assert watch.retry() == 1
    segment = watch.home.jobs.plan(watch.job)[-1]
    assert (segment.generation, segment.picked) == (2, (3,))


def test_a_day_that_is_over_is_opened_for_a_retry_and_ends_again(watch: Watch) -> None:
    jobs, job_id = watch.home.jobs, watch.day.job_id
    jobs.seal(job_id)
    jobs.refresh(job_id, Refreshed(ranges_of({0}), sealed=True))
    ended: set[str] = set()
    reconcile(watch.home, watch.broker, ended)
    assert ended == {job_id} and watch.broker.leases.live() == set()
    assert watch.retry() == 2
    assert watch.broker.leases.live() == {job_id}
    assert reconcile(watch.home, watch.broker, ended).jobs == 1, "although this agent knew its end"
    watch.work(1, 2)
    assert watch.counts() == (State.QUEUED, 3, 3, 0)
    jobs.refresh(job_id, Refreshed(ranges_of(jobs.done_chunks(job_id)), sealed=True))
    reconcile(watch.home, watch.broker, ended)
    assert ended == {job_id} and watch.broker.leases.live() == set()
