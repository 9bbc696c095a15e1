"""Pages that listen for hours: the server keeps nothing of what it told, nor of those who left."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventstream import nobody_listens, opened, serving
from jobfolders import job_of, put_job
from nasfarm.api import Farm
from nasfarm.web.site import Site
from ownbroker import own_broker
from webserver import made_farm


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    with own_broker(tmp_path / "broker") as own:
        yield made_farm(tmp_path, monkeypatch, own.url)


@pytest.mark.parametrize(
    "rounds", [pytest.param(20, marks=pytest.mark.short, id="200"), pytest.param(100, id="1000")]
)
def test_those_who_come_and_go_leave_nothing_behind(farm: Farm, rounds: int) -> None:
    """Ten pages a round are opened and closed while a job makes progress."""
    put_job(farm.home.jobs, job_of("detect-1", items=1_000_000))
    farm.broker.leases.register("detect-1", 1)
    chunks = iter(range(1_000_000))

    async def some(site: Site, port: int, count: int) -> None:
        for n in range(count):
            streams = [await opened(port, "?job=detect-1" if k % 2 else "") for k in range(10)]
            await asyncio.gather(*(stream.event() for stream in streams))
            farm.broker.leases.done("detect-1", next(chunks), "home", 1, 0, worked=True)
            if n % 10 == 0:
                await asyncio.gather(*(stream.event() for stream in streams))
            for stream in streams:
                await stream.close()
        await nobody_listens(site)
        await asyncio.sleep(0.3)

    def held() -> tuple[int, int, int]:
        gc.collect()
        files = len(os.listdir("/proc/self/fd"))
        return files, threading.active_count(), len(gc.get_objects())

    async def watch() -> None:
        async with serving() as (site, port):
            await some(site, port, 10)  # what is opened once and kept: threads, the broker's socket
            before = held()
            await some(site, port, rounds)
            after = held()
            print("open files, threads, objects:", before, after)
            assert after[0] <= before[0] + 2 and after[1] <= before[1] + 2
            assert after[2] < before[2] + 10 * rounds, (before, after)

    asyncio.run(watch())


@pytest.mark.parametrize(
    "changes", [pytest.param(400, marks=pytest.mark.short, id="400"), pytest.param(3600, id="hour")]
)
def test_progress_that_is_told_keeps_no_memory(farm: Farm, changes: int) -> None:
    """At a look a second, 3,600 changes are an hour's; three pages are told each."""
    put_job(farm.home.jobs, job_of("detect-1", items=1_000_000))
    farm.broker.leases.register("detect-1", 1)

    async def watch() -> None:
        async with serving() as (site, port):
            site.hub._pause_s = 0.0
            streams = [await opened(port) for _ in range(3)]
            counts: list[int] = []
            for n in range(changes):
                site.hub.forget()
                farm.broker.leases.done("detect-1", n, "home", 1, 0, worked=True)
                await asyncio.gather(*(stream.event() for stream in streams))
                if n in (199, changes - 1):
                    gc.collect()
                    counts.append(len(gc.get_objects()))
            assert counts[1] < counts[0] + min(1000, changes // 2), counts
            for stream in streams:
                await stream.close()

    asyncio.run(watch())
