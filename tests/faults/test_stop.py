"""A farm that is told to stop keeps its ten seconds, and loses and spends nothing by it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from books import (
    NOTHING_WRONG,
    chunks_done,
    executions,
    finish,
    put_photos,
    records,
    with_slow_photos,
)
from farmyard import Farmyard, wait_until

GRACE_S = 10
A_LITTLE_S = 1
"""For a loaded machine; the broker, which goes last, is part of the grace."""

LEASE_S = 300
"""A chunk that had to wait for its lease to run out would fail every test here."""


@pytest.fixture
def farm(tmp_path: Path, cached_models: None) -> Iterator[Farmyard]:
    settings = {"FARM_LEASE_S": str(LEASE_S), "FARM_GRACE_S": str(GRACE_S), **with_slow_photos()}
    yard = Farmyard(tmp_path, settings)
    try:
        yard.up()
        yield yard
    finally:
        yard.close()


def begin(farm: Farmyard, count: int, slow_s: float) -> str:
    """A job whose first chunks run; its id."""
    folder = put_photos(farm, count, slow_s)
    job_id: str = farm.ok("submit", folder, "--recipe", "detect", "--json").json["job_id"]
    slots = len(farm.nodes()[0]["slots"])
    wait_until(lambda: len(executions(farm, job_id=job_id)) >= slots, 60, "a slot is idle")
    return job_id


def signalled(farm: Farmyard, *pauses_s: float) -> float:
    """SIGTERM to `farm up`, again after each pause; seconds from the last until all is gone."""
    keeper = int((farm.state / "run" / "up.pid").read_text())
    os.kill(keeper, signal.SIGTERM)
    for pause_s in pauses_s:
        time.sleep(pause_s)
        os.kill(keeper, signal.SIGTERM)
    seconds = wait_until(lambda: not farm.processes(), 60, "something is left")
    print(f"all ended {seconds:.1f} s after the last signal")
    return seconds


@pytest.mark.parametrize(
    ("count", "slow_s", "in_time"),
    [
        # With two slots a job's first chunks are a quarter of it, or it is one chunk for each.
        pytest.param(16, 0.8, True, id="chunks of 3 s"),
        pytest.param(24, 2.5, False, id="chunks of 15 s in steps of 2.5 s"),
        pytest.param(2, 20, False, id="a single image of 20 s"),
    ],
)
def test_sigterm_finishes_a_chunk_or_hands_it_back_unspent_within_the_grace(
    farm: Farmyard, chance: random.Random, count: int, slow_s: float, in_time: bool
) -> None:
    job_id = begin(farm, count, slow_s)
    time.sleep(chance.uniform(0, 0.5))
    seconds = signalled(farm)
    assert seconds < GRACE_S + A_LITTLE_S
    running = executions(farm, job_id=job_id)
    done = chunks_done(farm, job_id)
    farm.up()
    counted = finish(farm, job_id, count, 200)
    again = executions(farm, job_id=job_id)
    print(f"{running.total()} chunks had begun, {done} were done, {again.total()} runs in the end")
    assert counted == NOTHING_WRONG
    assert again.total() - len(again) == running.total() - done, "run twice without need"
    assert {record["attempt"] for record in records(farm, "chunk_begun")} == {1}
    assert (done == running.total()) == in_time


def test_a_second_signal_ends_everything_at_once_and_the_next_start_finishes_the_job(
    farm: Farmyard,
) -> None:
    job_id = begin(farm, 2, 20)
    assert signalled(farm, 1.0) < 3
    assert chunks_done(farm, job_id) == 0
    farm.up()
    assert finish(farm, job_id, 2, 200) == NOTHING_WRONG
