"""Many jobs: the newest are shown, ended ones are not read again, and no retry is missed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from farmyard import Farmyard
from jobfolders import FIRST, job_of, opened_home, put_done, put_job
from nasfarm import follow, listing
from nasfarm.broker.client import Broker
from nasfarm.core.jobs import Segment, State
from nasfarm.home import Home
from nasfarm.jobs.index import open_index
from nasfarm.reconcile import reconcile
from ownbroker import OwnBroker, own_broker

RETRY = (Segment(1, "home", 0, 0, 1, 0, generation=1, picked=(1,)),)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    with own_broker(tmp_path_factory.mktemp("broker")) as own:
        yield own


@pytest.fixture
def broker(own: OwnBroker) -> Iterator[Broker]:
    yield Broker(own.url, 30)
    for key in list(own.client.scan_iter()):
        own.client.delete(key)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return opened_home(tmp_path)


def make(home: Home, count: int, errors: int = 0) -> list[str]:
    """Finished jobs, the newest first."""
    ids = [f"detect-{n:03}" for n in range(count)]
    for n, job_id in enumerate(ids):
        put_done(home.jobs, job_id, created=FIRST + timedelta(hours=n), errors=errors)
    return ids[::-1]


def listed(home: Home, broker: Broker, most: int | None = None) -> list[str]:
    return [each.job_id for each in listing.jobs(home, broker, most).jobs]


def spoil(home: Home, *job_ids: str) -> None:
    """Whoever reads the job now says that it is damaged."""
    for job_id in job_ids:
        (home.jobs.path(job_id) / "job.json").write_text("{")
        (home.jobs.path(job_id) / "summary.json").unlink()


def elsewhere(home: Home, folder: Path) -> Home:
    """The same home, as another node sees it."""
    folder.mkdir()
    return replace(home, state_dir=folder)


def test_the_newest_come_first_and_damaged_ones_last(home: Home, broker: Broker) -> None:
    ids = make(home, 5)
    spoil(home, ids[0])
    home.jobs.path("no-job").mkdir()
    for _ in range(2):  # from the folders, from the index
        assert listed(home, broker) == [*ids[1:], ids[0]]
        shown = listing.jobs(home, broker, 2)
        assert [each.job_id for each in shown.jobs] == [ids[1], ids[2], ids[0]]
        assert shown.more == 2
    assert "job.json" in listing.jobs(home, broker).jobs[-1].note


def test_jobs_that_have_ended_are_not_read_again(home: Home, broker: Broker) -> None:
    ids = make(home, 4)
    before = listing.jobs(home, broker)
    spoil(home, *ids)
    assert listing.jobs(home, broker) == before
    assert {each.state for each in before.jobs} == {State.DONE}
    assert {(each.ok, each.images_per_s) for each in before.jobs} == {(2, 12.5)}


def test_of_many_unknown_jobs_only_those_shown_are_read(
    home: Home, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FEW", 3)
    ids = make(home, 8)
    spoil(home, *ids[5:])
    for n, job_id in enumerate(ids):
        changed = 2_000_000_000 - n
        os.utime(home.jobs.path(job_id), (changed, changed))
    shown = listing.jobs(home, broker, 4)
    assert ([each.job_id for each in shown.jobs], shown.more) == (ids[:4], 4)


def test_unfinished_jobs_are_found_among_ended_ones(home: Home, broker: Broker) -> None:
    ids = make(home, 3)
    put_job(home.jobs, job_of("detect-open"))
    for _ in range(2):
        assert [each.job_id for each in listing.unfinished(home, broker)] == ["detect-open"]
    spoil(home, *ids)
    assert [each.job_id for each in listing.unfinished(home, broker)] == ["detect-open"]


def test_a_retry_on_another_node_is_seen_at_once(
    home: Home, broker: Broker, tmp_path: Path
) -> None:
    ids = make(home, 3, errors=1)
    other = elsewhere(home, tmp_path / "other")
    assert [each.state for each in listing.jobs(home, broker).jobs] == [State.DONE] * 3
    assert follow.retry(other.jobs.load(ids[1]), other, broker) == 1
    assert [each.job_id for each in listing.unfinished(home, broker)] == [ids[1]]
    states = {each.job_id: each.state for each in listing.jobs(home, broker).jobs}
    assert states == {ids[0]: State.DONE, ids[1]: State.QUEUED, ids[2]: State.DONE}


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh agent", "running agent"])
def test_a_retry_that_was_cut_off_before_it_was_hinted_is_mended(
    home: Home, broker: Broker, fresh: bool
) -> None:
    ids = make(home, 3, errors=1)
    ended: set[str] = set()
    reconcile(home, broker, ended)
    assert ended == set(ids)
    home.jobs.extend_plan(ids[1], RETRY)
    mended = reconcile(home, broker, set() if fresh else ended)
    assert (mended.jobs, mended.hints) == (1, 1)
    assert broker.leases.live() == {ids[1]}


def test_a_fresh_agent_reads_no_job_that_the_index_knows(home: Home, broker: Broker) -> None:
    ids = make(home, 3)
    reconcile(home, broker, set())
    spoil(home, *ids)
    ended: set[str] = set()
    assert reconcile(home, broker, ended).jobs == 0
    assert ended == set(ids)


def test_a_pass_looks_at_every_live_job_and_at_unknown_ones_for_its_time(
    home: Home, broker: Broker
) -> None:
    make(home, 20)
    for job_id in ("z-1", "z-2"):
        put_job(home.jobs, job_of(job_id))
        broker.leases.register(job_id, 1)
    ended: set[str] = set()
    for known in (1, 2):
        assert reconcile(home, broker, ended, most_s=-1.0).jobs == 2
        assert len(ended) == known
    assert reconcile(home, broker, ended, most_s=math.inf).jobs == 2
    assert len(ended) == 20


def test_a_job_that_is_gone_is_forgotten_everywhere(home: Home, broker: Broker) -> None:
    [job_id] = make(home, 1)
    ended: set[str] = set()
    reconcile(home, broker, ended)
    home.jobs.path(job_id).rename(home.jobs.folder / ".gone-0")
    reconcile(home, broker, ended)
    assert ended == set()
    with open_index(home.state_dir, home.jobs.folder) as index:
        assert index.ids() == set()


def test_while_the_broker_is_away_storage_tells(home: Home) -> None:
    ids = make(home, 2)
    put_job(home.jobs, job_of("detect-open"))
    away = Broker("redis://127.0.0.1:1/0", 30)
    assert set(listed(home, away)) == {*ids, "detect-open"}
    assert [each.job_id for each in listing.unfinished(home, away)] == ["detect-open"]


def test_the_commands_show_a_screenful_and_say_how_many_more(
    home: Home, broker: Broker, tmp_path: Path
) -> None:
    ids = make(home, 60, errors=2)
    (tmp_path / "home" / "farm.yml").touch()
    yard = Farmyard(tmp_path, {"FARM_BROKER_URL": broker.url})
    shown = yard.ok("jobs")
    assert [row.split()[0] for row in shown.out.splitlines()[1:]] == ids[:50]
    assert "10 older jobs. See them all: farm jobs --all" in shown.err
    assert len(yard.ok("jobs", "--all").out.splitlines()) == 61
    assert len(yard.ok("jobs", "--limit", 3).out.splitlines()) == 4
    assert [each["job_id"] for each in yard.ok("jobs", "--json").json] == ids
    assert [each["job_id"] for each in yard.ok("jobs", "--json", "--limit", 2).json] == ids[:2]
    failed = yard.ok("failed", "--limit", 5)
    assert [row.split()[0] for row in failed.out.splitlines()[1:]] == [
        ids[0], ids[0], ids[1], ids[1], ids[2]
    ]  # fmt: skip
    assert "There are more" in failed.err
    assert len(yard.ok("failed", ids[7], "--json").json) == 2
    assert len(yard.ok("failed", "--json").json) == 120
