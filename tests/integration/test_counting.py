"""What a worker has done, counted: exactly the lines of its jobs, and none of them twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from idle import NODE, Idle, idle_farm
from nasfarm.broker.client import Broker
from nasfarm.broker.tallies import FARM, KEPT_S
from nasfarm.core.nodes import NodeReport
from nasfarm.core.tallies import LEASE_LOST, Tally, of_chunk, of_images
from nasfarm.errors import BrokerError
from ownbroker import own_broker


@pytest.fixture
def idle(tmp_path: Path, cached_models: None) -> Iterator[Idle]:
    with idle_farm(tmp_path) as farm:
        yield farm


def tally(idle: Idle) -> Tally:
    (found,) = idle.farm.broker.tallies.of([NODE])
    return found


def of_status(told: Tally, status: str) -> int:
    return sum(n for name, n in told.counts.items() if name[:2] == ("images", status))


def test_tallies_add_up_in_the_broker_and_a_lost_one_is_not_sent_again(tmp_path: Path) -> None:
    one = of_chunk({"read": 0.5}, 10, {"m@1/fp32": [8, 2]}) + of_images("m@1/fp32", 9, 1)
    with own_broker(tmp_path) as broker:
        tallies = Broker(broker.url, 30).tallies
        for _ in range(3):
            tallies.add(one, NODE)
        tallies.add(of_images("m@1/fp32", 4, 0))
        assert tallies.of([NODE, FARM, "cellar"]) == [
            one + one + one, of_images("m@1/fp32", 4, 0), Tally(),
        ]  # fmt: skip
        assert 0 < broker.client.ttl(f"farm:tally:{NODE}") <= KEPT_S
        before = broker.client.info("commandstats")["cmdstat_exec"]["calls"]
        tallies.add(one, NODE)
        assert broker.client.info("commandstats")["cmdstat_exec"]["calls"] == before + 1
    tallies.add(one, NODE)
    with pytest.raises(BrokerError):
        tallies.of([NODE])


def test_of_two_workers_with_the_same_chunk_one_counts_its_images(idle: Idle) -> None:
    job = idle.submit()
    slow = idle.leased(job, 0, "slot0.1")
    idle.broker.client.hset(  # the slow one's time is up
        f"farm:leases:{job.job_id}", "0",
        json.dumps(json.loads(idle.broker.client.hget(f"farm:leases:{job.job_id}", "0")) |
                   {"until_ms": 1}),
    )  # fmt: skip
    idle.settle(idle.leased(job, 0, "slot1.2"))
    lines = len(idle.chunk_file(job, 0).read_bytes().splitlines())
    assert of_status(tally(idle), "ok") == lines
    idle.settle(slow)
    assert of_status(tally(idle), "ok") == lines
    assert (tally(idle).of("chunks"), tally(idle).of("lost", LEASE_LOST)) == (1, 1)


def test_what_a_cancelled_job_gives_up_is_no_attempt_that_was_lost(idle: Idle) -> None:
    job = idle.submit()
    lease = idle.leased(job, 0, "slot0.1")
    idle.yard.ok("cancel", job.job_id)
    idle.settle(lease)
    assert not idle.chunk_file(job, 0).exists()
    assert tally(idle).of("lost", LEASE_LOST) == 0


def test_lines_of_another_worker_count_where_they_were_made(idle: Idle) -> None:
    job = idle.submit()
    lease = idle.leased(job, 0, "slot0.1")
    record = {"i": 0, "item": "home:photos/0000.jpg", "status": "ok"}
    path = idle.chunk_file(job, 0)
    path.write_bytes(json.dumps(record, separators=(",", ":")).encode() + b"\n")
    idle.settle(lease)
    assert (of_status(tally(idle), "ok"), tally(idle).of("chunks")) == (0, 1)


def test_without_a_broker_a_chunk_is_run_and_its_tally_is_lost(
    idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker refuses the tally only; the pace of the rest must not depend on it."""
    job = idle.submit()
    idle.broker.client.set(f"farm:tally:{NODE}", "no hash")
    idle.settle(idle.leased(job, 0, "slot0.1"))
    counts = idle.farm.broker.leases.counts(job.job_id)
    assert counts is not None and counts.chunks_done == 1


def test_a_node_that_goes_without_a_word_is_missed_and_one_that_leaves_is_not(idle: Idle) -> None:
    presence = idle.farm.broker.presence
    for name in ("left", "gone", "there"):
        presence.report(NodeReport(name, "b", "1", 1, (), (), ()))
    presence.leave("left")
    idle.broker.client.delete("farm:node:gone")
    assert presence.away() == {"gone"}
    idle.broker.client.delete("farm:heard:gone")  # after 7 days
    assert presence.away() == set()
