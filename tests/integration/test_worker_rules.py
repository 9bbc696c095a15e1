"""Storage is the truth: a worker and a reconciler against what Redis, files and names say."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farmyard import free_port, wait_until
from idle import Idle, idle_farm, worker_of
from nasfarm.broker.celery_app import create_celery
from nasfarm.broker.client import Broker
from nasfarm.broker.hints import CHUNK_TASK
from nasfarm.core.jobs import NEWEST_FORMAT
from nasfarm.core.leases import Lease, Refusal
from nasfarm.core.nodes import NodeReport
from nasfarm.errors import BrokerError
from nasfarm.nodes.holds import hold, release
from nasfarm.nodes.identity import node_id
from nasfarm.reconcile import mend, reconcile
from nasfarm_workers import tasks
from nasfarm_workers.chores import Chores
from nasfarm_workers.orders import Orders
from nasfarm_workers.progress import progress
from nasfarm_workers.slots import aside_file

QUEUE = "farm.v1.normal.home"


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Iterator[Idle]:
    with idle_farm(tmp_path_factory.mktemp("idle")) as farm:
        yield farm


def line(i: int, status: str) -> bytes:
    more: dict[str, Any] = {"error": {"code": "decode", "message": ""}} if status == "error" else {}
    record = {"i": i, "item": f"home:photos/{i:04d}.jpg", "status": status, **more}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def test_a_done_chunk_whose_file_is_gone_runs_again(idle: Idle) -> None:
    """As where the home was put back from a backup."""
    job = idle.submit()
    leases = idle.farm.broker.leases
    for chunk in (0, 1):
        idle.chunk_file(job, chunk).write_bytes(line(chunk, "ok"))
        leases.done(job.job_id, chunk, "home", 1, 0, worked=True)
    idle.broker.client.delete(QUEUE)
    idle.chunk_file(job, 1).unlink()
    assert idle.claim(job, 1) is Refusal.DONE
    assert mend(job, idle.farm.home, idle.farm.broker) == 1
    counts = leases.counts(job.job_id)
    assert counts is not None
    assert (counts.ok, counts.errors, counts.chunks_done) == (1, 0, 1)
    assert idle.claim(job, 0) is Refusal.DONE
    assert isinstance(idle.claim(job, 1), Lease)


def test_a_broker_that_takes_no_news_is_told_some_again_once_a_lease_is_renewed(idle: Idle) -> None:
    """To tell one that is away takes 6 s each time, and the lease would run out meanwhile."""
    lease = idle.leased(idle.submit(), 0)
    tried = list[float]()

    def tell(_lease: Lease, _done: int, _images: int) -> None:
        tried.append(time.monotonic())
        if len(tried) == 1:
            raise BrokerError("away")

    with progress(lease, Broker(idle.broker.url, 9), 60, lambda: False, tell) as beat:
        beat.images = 2
        beat.has_read()
        wait_until(lambda: len(tried) > 1, 10, "it is never told again")
    assert tried[1] - tried[0] > 1.5, "told before it was known that the broker is back"


def test_the_counts_are_those_of_the_file_that_stands(idle: Idle) -> None:
    job = idle.submit()
    lease = idle.leased(job, 0)
    idle.chunk_file(job, 0).write_bytes(line(0, "error"))  # another worker was there first
    idle.settle(lease)
    counts = idle.farm.broker.leases.counts(job.job_id)
    assert counts is not None
    assert (counts.ok, counts.errors, counts.chunks_done) == (0, 1, 1)
    assert idle.chunk_file(job, 0).read_bytes() == line(0, "error")


def test_a_chunk_that_this_boxs_share_does_not_show_yet_is_hinted_for_others(idle: Idle) -> None:
    job = idle.submit()
    lease = idle.leased(job, 0)
    idle.farm.broker.leases.move_cursor(job.job_id, "home", 99, 100)  # by who has seen it grow
    idle.broker.client.delete(QUEUE)
    said = idle.settle(lease)
    assert said.endswith("0 failed")
    assert idle.farm.broker.hints.waiting(QUEUE) == {(job.job_id, 99)}


def test_a_job_of_a_newer_format_is_left_to_newer_nodes(idle: Idle) -> None:
    job = idle.submit()
    lease = idle.leased(job, 0)
    path = idle.farm.home.jobs.path(job.job_id) / "job.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"format": NEWEST_FORMAT + 1, "plan": "another"})
    )
    told = idle.yard.run("status", job.job_id)
    assert (told.code, "Update nasfarm on this machine" in told.err) == (2, True)
    idle.settle(lease)
    reconcile(idle.farm.home, idle.farm.broker, set())
    assert job.job_id in idle.farm.broker.leases.live()
    assert idle.farm.home.jobs.failure(job.job_id) is None
    again = idle.claim(job, 0)
    assert isinstance(again, Lease)
    assert again.held.attempt == 1, "an attempt was spent"


def test_a_worker_that_starts_while_the_home_is_away_drops_its_hint_and_steps_aside(
    idle: Idle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away = replace(idle.farm.settings, home=tmp_path / "nothing", state_dir=tmp_path)
    (tmp_path / "run").mkdir()
    app = create_celery(idle.broker.url)
    tasks.register(app, lambda: worker_of(away, idle.broker.url), lambda *_: None)
    with caplog.at_level(logging.WARNING):
        app.tasks[CHUNK_TASK].run("detect-0123456789", 0)
    [record] = caplog.records
    assert (record.__dict__["action"], record.exc_info) == ("hint_dropped", None)
    assert "No such file" in aside_file(tmp_path).read_text()


def test_a_pause_is_heard_at_once_while_the_broker_is_away(idle: Idle, tmp_path: Path) -> None:
    farm, orders = idle.farm, Orders.of(tmp_path)
    away = Broker(f"redis://127.0.0.1:{free_port()}/0", 10)
    chores = Chores(farm.settings, farm.home, away, "boot", "id", lambda: (), orders, returned=True)
    orders.give(())
    hold(farm.settings.home, "nas", "pause", time.time())
    try:
        begun = time.monotonic()
        with pytest.raises(BrokerError):
            chores.pulse()
        assert time.monotonic() - begun < 1
        assert orders.hand_back()
    finally:
        release(farm.settings.home, "nas")


def test_a_second_box_of_the_same_name_is_refused_and_told_what_to_do(idle: Idle) -> None:
    presence = idle.farm.broker.presence
    other = NodeReport("nas", "b", "0.1.0", 1, (), (), (), node_id="another state folder")
    assert presence.join(other) is None
    for command in (("worker",), ("up", "--detach")):
        begun = time.monotonic()
        refused = idle.yard.run(*command)
        assert refused.code == 2
        assert "`node: NAME`" in refused.err
        assert str(idle.yard.state / "node.yml") in refused.err
        assert time.monotonic() - begun < 15
    presence.leave("nas")


def test_a_restarted_agent_gets_its_name_back_at_once(idle: Idle) -> None:
    presence = idle.farm.broker.presence
    own = node_id(idle.yard.state)
    before = NodeReport("nas", "before", "0.1.0", 1, (), (), (), node_id=own)
    assert presence.join(before) is None
    assert presence.join(replace(before, boot="after")) is None
    assert [report.boot for report in presence.alive()] == ["after"]
    presence.leave("nas")
