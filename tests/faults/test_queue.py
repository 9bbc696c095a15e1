"""Hints that come often, never or too early: every chunk is run once, and soon."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from books import (
    NOTHING_WRONG,
    chunks_done,
    executions,
    finish,
    pool_children,
    put_photos,
    records,
    tally,
    time_of,
    with_slow_photos,
    workers,
)
from farmyard import Farmyard, Ran, kill9, wait_until
from nasfarm import Farm
from ownbroker import OwnBroker, own_broker

LEASE_S = 6
HOME_QUEUE = "farm.v1.normal.home"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[OwnBroker]:
    with own_broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def farm(tmp_path: Path, cached_models: None, broker: OwnBroker) -> Iterator[Farmyard]:
    """A home and a broker, and no worker yet."""
    settings = {"FARM_LEASE_S": str(LEASE_S), "FARM_BROKER_URL": broker.url, **with_slow_photos()}
    yard = Farmyard(tmp_path, settings)
    try:
        yard.ok("init")
        yield yard
    finally:
        yard.close()


def at_once(farm: Farmyard, times: int, *arguments: object) -> list[Ran]:
    """Run `farm ARGUMENTS` so many times side by side."""
    command = [sys.executable, "-m", "nasfarm", *map(str, arguments)]
    started = [
        subprocess.Popen(
            command, env=farm.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(times)
    ]
    ended = [(process, *process.communicate(timeout=120)) for process in started]
    return [Ran(process.returncode, out.decode(), err.decode()) for process, out, err in ended]


def test_a_hint_delivered_ten_times_at_once_is_run_once(farm: Farmyard, broker: OwnBroker) -> None:
    folder = put_photos(farm, 16, slow_s=0.5)
    answer = farm.ok("submit", folder, "--recipe", "detect", "--json").json
    hints = broker.messages(HOME_QUEUE)
    assert len(hints) == answer["chunks"] == 8
    # Ten copies of a hint lie side by side, so both workers take one before the first has ended.
    broker.client.delete(HOME_QUEUE)
    broker.client.rpush(HOME_QUEUE, *(hint for hint in hints for _ in range(10)))
    farm.up()
    assert finish(farm, answer["job_id"], 16, 120) == NOTHING_WRONG
    wait_until(lambda: not broker.messages(HOME_QUEUE), 30, "hints are left")
    wait_until(lambda: heard(farm, answer["job_id"]) >= 80, 30, "a copy went unnoticed")
    why = Counter(record["why"] for record in records(farm, "hint_refused"))
    runs = executions(farm, job_id=answer["job_id"])
    print(f"80 deliveries of 8 hints: {runs.total()} runs, refused {dict(why)}")
    assert runs == Counter(range(8))
    assert why["leased"], "no copy came while its chunk ran"


def heard(farm: Farmyard, job_id: str) -> int:
    """Of how many deliveries a worker has said what came of it."""
    return executions(farm, job_id=job_id).total() + len(records(farm, "hint_refused"))


def test_two_identical_submits_at_once_make_one_job(farm: Farmyard) -> None:
    farm.up()
    folder = put_photos(farm, 400)
    ran = at_once(farm, 2, "submit", folder, "--recipe", "detect", "--json")
    assert [one.code for one in ran] == [0, 0], [one.err for one in ran]
    [job_id] = {one.json["job_id"] for one in ran}
    print(f"existing: {[one.json['existing'] for one in ran]}")
    assert sorted(one.json["existing"] for one in ran) == [False, True]
    assert [path.name for path in (farm.home / "jobs").iterdir()] == [job_id]
    assert finish(farm, job_id, 400, 180) == NOTHING_WRONG
    assert executions(farm, job_id=job_id) == Counter(range(ran[0].json["chunks"]))


def test_two_reconcilers_at_once_in_mid_job_double_nothing(farm: Farmyard) -> None:
    farm.up()
    folder = put_photos(farm, 160, slow_s=0.1)
    answer = farm.ok("submit", folder, "--recipe", "detect", "--json").json
    job_id, rounds = answer["job_id"], 0
    wait_until(lambda: chunks_done(farm, job_id) > 0, 60, "no chunk is done")
    while chunks_done(farm, job_id) < answer["chunks"]:
        ran = at_once(farm, 2, "reconcile")
        assert [one.code for one in ran] == [0, 0], [one.err for one in ran]
        rounds += 1
    print(f"{rounds} times two reconcilers")
    assert rounds >= 2
    assert finish(farm, job_id, 160, 120) == NOTHING_WRONG
    assert executions(farm, job_id=job_id) == Counter(range(answer["chunks"]))


def test_a_chunk_three_times_as_long_as_a_lease_is_run_once(farm: Farmyard) -> None:
    farm.up()
    folder = put_photos(farm, 1, slow_s=3.3 * LEASE_S)
    job_id = farm.ok("submit", folder, "--recipe", "detect", "--json").json["job_id"]
    assert finish(farm, job_id, 1, 120) == NOTHING_WRONG
    [begun], [done] = records(farm, "chunk_begun")[:1], records(farm, "chunk_done")
    took_s = (time_of(done) - time_of(begun)).total_seconds()
    print(f"took {took_s:.1f} s with leases of {LEASE_S} s")
    assert took_s > 3 * LEASE_S
    assert executions(farm, job_id=job_id) == Counter([0])
    assert begun["attempt"] == done["attempt"] == 1


@pytest.mark.short
def test_hints_that_frozen_workers_took_along_are_given_again(
    farm: Farmyard,
    broker: OwnBroker,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    farm.up()
    job_id, taken = hints_for_frozen_workers(farm, broker, monkeypatch)
    assert taken, "no hint went to a frozen worker"
    time.sleep(chance.uniform(0, 2))
    killed_at = time.monotonic()
    for pid in [*workers(farm), *pool_children(farm)]:
        if psutil.pid_exists(pid):
            kill9(pid)
    farm.ok("wait", job_id, "--timeout", LEASE_S + 30)
    took_s = time.monotonic() - killed_at
    counted = tally(farm, job_id, 24)
    print(f"{taken} hints went with the frozen; done {took_s:.1f} s after the kill; {counted}")
    assert took_s < LEASE_S + 15
    assert counted == NOTHING_WRONG


def hints_for_frozen_workers(
    farm: Farmyard, broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, int]:
    """Freeze all workers and hand in a job; its id, and how many of its hints they took along.

    A worker asks for one second at a time. Where all were frozen just when theirs was up, again;
    so this hands in from Python: a command takes as long as that to start.
    """
    for name, text in farm.environment().items():
        if name.startswith("FARM_"):
            monkeypatch.setenv(name, text)
    handed_in = Farm(farm.home)
    handed_in.broker.hints.send([])  # has everything imported and connected
    frozen = [*workers(farm), *pool_children(farm)]
    for attempt in range(5):
        folder = put_photos(farm, 24, name=f"photos{attempt}")
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        job = handed_in.submit(folder, recipe="detect")
        time.sleep(0.2)
        taken = job.submitted.chunks - len(broker.messages(HOME_QUEUE))
        if taken:
            break
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        job.wait(60)
    return job.job_id, taken
