"""Whatever is killed in the middle of a job, every image ends in exactly one line, and soon."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from books import records
from farmyard import Farmyard, kill9, wait_until

pytestmark = pytest.mark.short

ON_A_LOADED_MACHINE_S = 150
"""Two cores do the job in about 15 s; half the lease's 300 s would mean that a chunk waited."""


def begin(farm: Farmyard, photos: Path) -> str:
    """A job of 500 that has begun: some chunks are done, most are not."""
    submit = ("submit", photos, "--recipe", "detect", "--again", "--json")
    job_id: str = farm.ok(*submit).json["job_id"]
    wait_until(lambda: status(farm, job_id)["chunks_done"] > 0, 60, "no chunk is done")
    return job_id


def status(farm: Farmyard, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = farm.ok("status", job_id, "--json").json
    return answer


def check_all_there(farm: Farmyard, job_id: str) -> None:
    """Lost, doubled, wrongly failed: 0, 0, 0."""
    ran = farm.run("wait", job_id, "--timeout", ON_A_LOADED_MACHINE_S, "--json")
    lines = farm.lines(job_id)
    numbers = [line["i"] for line in lines]
    lost = 500 - len(set(numbers))
    doubled = len(numbers) - len(set(numbers))
    failed = sum(line["status"] != "ok" for line in lines)
    print(f"lost {lost}, doubled {doubled}, wrongly failed {failed}")
    assert (ran.code, lost, doubled, failed) == (0, 0, 0, 0), ran.err
    assert numbers == sorted(numbers)


def log_times(path: Path, action: str) -> list[datetime]:
    """When something happened, by a log of the farm's."""
    found = []
    for line in path.read_text().splitlines():
        if line.startswith("{") and (record := json.loads(line)).get("action") == action:
            found.append(datetime.fromisoformat(record["time"]))
    return found


def worker(farm: Farmyard, chance: random.Random) -> int:
    return chance.choice(farm.slot_pids())


def pool_child(farm: Farmyard, chance: random.Random) -> int:
    return psutil.Process(worker(farm, chance)).children()[0].pid


def broker(farm: Farmyard, _chance: random.Random) -> int:
    return farm.broker_pid()


@pytest.mark.parametrize(
    "victim",
    [
        pytest.param(worker, id="a worker"),
        pytest.param(pool_child, id="a worker's pool child"),
        pytest.param(broker, id="the broker"),
    ],
)
def test_a_kill_9_costs_no_image_and_waits_for_no_lease(
    farm: Farmyard,
    photos: Path,
    chance: random.Random,
    victim: Callable[[Farmyard, random.Random], int],
) -> None:
    job_id = begin(farm, photos)
    time.sleep(chance.uniform(0, 2))
    pid = victim(farm, chance)
    kill9(pid)
    wait_until(lambda: not psutil.pid_exists(pid), what="the killed process is still there")
    check_all_there(farm, job_id)


def test_after_the_agents_death_a_chunk_is_claimed_within_seconds_and_no_image_is_lost(
    farm: Farmyard, photos: Path, chance: random.Random
) -> None:
    job_id = begin(farm, photos)
    time.sleep(chance.uniform(0, 2))
    starts = len(log_times(farm.state / "logs" / "agent.jsonl", "child_start"))
    kill9(farm.agent_pid())
    check_all_there(farm, job_id)
    restart = log_times(farm.state / "logs" / "agent.jsonl", "child_start")[starts]
    begun = [
        when
        for slot in farm.nodes()[0]["slots"]
        for when in log_times(farm.state / "logs" / f"slot{slot['number']}.jsonl", "chunk_begun")
    ]
    waited = (min(when for when in begun if when > restart) - restart).total_seconds()
    print(f"first chunk {waited:.1f} s after the restart")
    assert waited < 5


def test_kill_9_of_farm_up_leaves_no_process_and_the_next_start_finishes_the_job(
    farm: Farmyard, photos: Path
) -> None:
    job_id = begin(farm, photos)
    keeper = int((farm.state / "run" / "up.pid").read_text())
    kill9(keeper)
    seconds = wait_until(lambda: not farm.processes(), 10, "orphans are left")
    print(f"nothing left after {seconds:.1f} s")
    farm.up()
    check_all_there(farm, job_id)


def test_a_cancelled_job_stops_and_stays_cancelled(farm: Farmyard, photos: Path) -> None:
    job_id = begin(farm, photos)
    assert farm.ok("cancel", job_id, "--json").json["state"] == "cancelled"
    chunks = farm.home / "jobs" / job_id / "chunks"
    wait_until(lambda: no_chunk_runs(farm, job_id), 30, "a chunk still runs")
    published = sorted(chunks.iterdir())
    farm.ok("reconcile")
    after = status(farm, job_id)
    assert after["state"] == "cancelled"
    assert 0 < after["ok"] < 500
    assert sorted(chunks.iterdir()) == published
    assert farm.run("wait", job_id, "--json").code == 1


def no_chunk_runs(farm: Farmyard, job_id: str) -> bool:
    """Whether the workers' last word is that they are through with the job's chunks."""

    def said(action: str) -> int:
        return sum(record["job"] == job_id for record in records(farm, action))

    return said("chunk_begun") <= said("chunk_done") + said("lease_lost")
