"""Fifty times something of the farm is killed: every image ends in one line all the same."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from books import (
    NOTHING_WRONG,
    agents,
    chunks_done,
    executions,
    finish,
    pool_children,
    put_photos,
    workers,
)
from farmyard import Farmyard, kill9, wait_until

VICTIMS: dict[str, Callable[[Farmyard], list[int]]] = {
    "worker": workers,
    "child": pool_children,
    "agent": agents,
}
OF_TEN = ["worker"] * 4 + ["child"] * 4 + ["agent"] * 2
"""Agents die less often: each next one, and its slots with it, is started later than the last."""


@pytest.fixture
def farm(tmp_path: Path, cached_models: None) -> Iterator[Farmyard]:
    yard = Farmyard(tmp_path, {"FARM_LEASE_S": "6"})
    try:
        yard.up()
        yield yard
    finally:
        yard.close()


@pytest.mark.parametrize(
    ("images", "kills", "timeout_s"),
    [
        pytest.param(600, 8, 240, id="8 kills over 600 images", marks=pytest.mark.short),
        pytest.param(3000, 50, 900, id="50 kills over 3000 images"),
    ],
)
def test_random_kills_of_workers_children_and_agents_cost_no_image(
    farm: Farmyard, chance: random.Random, images: int, kills: int, timeout_s: float
) -> None:
    folder = put_photos(farm, images)
    answer = farm.ok("submit", folder, "--recipe", "detect", "--json").json
    job_id, chunks = answer["job_id"], answer["chunks"]
    killed: Counter[str] = Counter()
    begun = time.monotonic()
    # When so many chunks are done, and not after so many seconds: the last kill is in mid-job too.
    for due in sorted(chance.sample(range(chunks), kills)):
        wait_until(lambda due=due: chunks_done(farm, job_id) >= due, timeout_s, f"chunk {due}")
        time.sleep(chance.uniform(0, 0.5))
        killed[kill_one(farm, chance)] += 1
    done_then = chunks_done(farm, job_id)
    counted = finish(farm, job_id, images, timeout_s)
    runs = executions(farm, job_id=job_id)
    print(
        f"{killed.total()} kills ({dict(killed)}) over {images} images in "
        f"{time.monotonic() - begun:.0f} s; {runs.total()} runs of {chunks} chunks; "
        f"{done_then} chunks done at the last kill"
    )
    assert counted == NOTHING_WRONG
    assert killed.total() == kills
    assert set(runs) == set(range(chunks))
    assert runs.total() > chunks, "no kill hit a running chunk"


def kill_one(farm: Farmyard, chance: random.Random) -> str:
    """Kill a process of one kind, once there is one; the kind."""
    kind = chance.choice(OF_TEN)
    found: list[int] = []

    def is_there() -> bool:
        found[:] = VICTIMS[kind](farm)
        return bool(found)

    wait_until(is_there, 60, f"no {kind} to kill")
    pid = chance.choice(sorted(found))
    try:
        kill9(pid)
    except ProcessLookupError:  # it went with another's death: that one is killed instead
        return kill_one(farm, chance)
    wait_until(lambda: not psutil.pid_exists(pid), 10, f"{kind} {pid} is still there")
    return kind
