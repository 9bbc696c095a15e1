"""Years of watching: 100,000 finished jobs, and neither `farm jobs` nor a pass takes long."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from farmyard import Farmyard
from jobfolders import job_of, many_jobs, many_taken, opened_home, put_job
from nasfarm.broker.client import Broker
from nasfarm.home import Home
from nasfarm.reconcile import reconcile
from ownbroker import own_broker

JOBS_S = 1.0
PASS_S = 5.0
"""What is promised, of 100,000 finished jobs."""
FIRST_S = 3.0
"""Before a machine's agent has looked at all of them once (ADR 16)."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(3_000, marks=pytest.mark.short, id="3000"),
        pytest.param(100_000, marks=pytest.mark.alone, id="100000"),
    ],
)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with so many finished jobs, ten dropped files each, and one job that is not."""
    count = int(request.param)
    folder = tmp_path_factory.mktemp("old")
    home = opened_home(folder)
    (folder / "home" / "farm.yml").touch()
    begun = time.monotonic()
    many_jobs(home.jobs.folder, count)
    many_taken(folder / "home", "detect", count // 1000, 10_000)
    put_job(home.jobs, job_of("detect-open"))
    print(f"\n{count:,} jobs made in {time.monotonic() - begun:.0f} s")
    yield home


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with own_broker(tmp_path_factory.mktemp("broker")) as own:
        yield Broker(own.url, 30)


def timed(yard: Farmyard, *words: str) -> tuple[float, str]:
    begun = time.monotonic()
    ran = yard.ok(*words)
    return time.monotonic() - begun, ran.out


def test_passes_and_lists_are_quick_among_old_jobs(old: Home, broker: Broker) -> None:
    count = len(old.jobs.ids()) - 1
    yard = Farmyard(old.state_dir.parent, {"FARM_BROKER_URL": broker.url})

    # A machine that sees this home for the first time.
    cold_s, out = timed(yard, "jobs")
    assert len(out.splitlines()) == 51
    ended: set[str] = set()
    passes = []
    while len(ended) < count:
        begun = time.monotonic()
        mended = reconcile(old, broker, ended, most_s=2.0)
        passes.append(time.monotonic() - begun)
        assert len(passes) < 200
    assert mended.jobs == 1
    begun = time.monotonic()
    reconcile(old, broker, ended, most_s=2.0)
    later_s = time.monotonic() - begun
    begun = time.monotonic()
    reconcile(old, broker, set(), most_s=2.0)
    fresh_s = time.monotonic() - begun

    jobs_s = min(timed(yard, "jobs")[0] for _ in range(5))
    first_json_s, _ = timed(yard, "jobs", "--json")
    json_s, document = timed(yard, "jobs", "--json")
    status_s, _ = timed(yard, "status")
    print(
        f"{count:,} jobs: farm jobs {jobs_s:.2f} s (first on a machine {cold_s:.2f} s), "
        f"--json {json_s:.2f} s (first {first_json_s:.1f} s, {len(document) / 1e6:.0f} MB), "
        f"status {status_s:.2f} s; a pass {later_s:.2f} s, a fresh agent's {fresh_s:.2f} s, "
        f"without an index {len(passes)} passes of {max(passes):.2f} s at most"
    )
    assert jobs_s < JOBS_S
    assert cold_s < FIRST_S
    assert max(later_s, fresh_s, *passes) < PASS_S
