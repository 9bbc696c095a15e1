"""What changes is told as it happens: only that, to all at once, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventstream import PAUSE_S, nobody_listens, opened, serving
from jobfolders import job_of, put_done, put_job
from nasfarm.api import Farm
from nasfarm.web.site import Site
from ownbroker import own_broker
from webserver import OUTSIDE, made_farm


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    with own_broker(tmp_path / "broker") as own:
        yield made_farm(tmp_path, monkeypatch, own.url)


def test_what_changes_is_told_and_nothing_else(farm: Farm) -> None:
    put_job(farm.home.jobs, job_of("detect-1", items=100))
    put_done(farm.home.jobs, "detect-0")
    farm.broker.leases.register("detect-1", 1)

    async def watch() -> None:
        async with serving() as (_, port):
            stream = await opened(port)
            name, first, version = await stream.event()
            assert name == "change"
            assert set(first) == {"troubles", "totals", "jobs", "nodes", "pictures"}
            farm.broker.leases.done("detect-1", 7, "home", 40, 0, worked=True)
            _, then, after = await stream.event()
            assert set(then) == {"job-detect-1"} and 'value="40"' in then["job-detect-1"]
            assert after != version
            await stream.close()
            again = await opened(port, headers=f"Last-Event-ID: {after}\r\n")
            farm.broker.leases.done("detect-1", 8, "home", 2, 0, worked=True)
            assert set((await again.event())[1]) == {"job-detect-1"}
            await again.close()

    asyncio.run(watch())


def test_many_who_watch_share_one_look_and_nobody_looks_when_all_have_gone(farm: Farm) -> None:
    put_job(farm.home.jobs, job_of("detect-1", items=100))

    async def watch() -> None:
        async with serving() as (site, port):
            streams = [await opened(port) for _ in range(50)]
            for stream in streams:
                await stream.event()
            before, begun_s = site.hub.looks, time.monotonic()
            while site.hub.looks < before + 2:  # a busy machine rests longer between two
                assert time.monotonic() - begun_s < 20
                await asyncio.sleep(0.05)
            assert site.hub.looks - before <= (time.monotonic() - begun_s) / PAUSE_S + 2
            for stream in streams:
                await stream.close()
            await nobody_listens(site)
            await asyncio.sleep(0.1)  # a look that had begun
            before = site.hub.looks
            await asyncio.sleep(0.3)
            assert site.hub.looks == before

    asyncio.run(watch())


def test_a_job_that_is_cleaned_away_ends_its_stream(farm: Farm) -> None:
    put_done(farm.home.jobs, "detect-0")

    async def watch() -> None:
        async with serving() as (_, port):
            stream = await opened(port, "?job=detect-0")
            await stream.event()
            farm.home.jobs.path("detect-0").rename(farm.home.jobs.folder / ".gone")
            assert (await stream.event())[0] == "gone"
            with pytest.raises(EOFError):
                await stream.event()
            await stream.close()

    asyncio.run(watch())


def test_a_login_that_is_over_hears_no_more(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    from tornado.web import create_signed_value

    monkeypatch.setattr("nasfarm.web.events.PING_S", 0.05)

    async def watch() -> None:
        async with serving(OUTSIDE) as (site, port):
            site.users.put("anna", "correct horse", "read")
            said = f"anna|{site.users.all()['anna'].mark}"
            cookie = create_signed_value(site.key.decode(), "farm_login", said).decode()
            stream = await opened(port, headers=f"Cookie: farm_login={cookie}\r\n")
            await stream.event()
            site.users.remove("anna")
            with pytest.raises(EOFError):
                while True:
                    await stream.event()
            await stream.close()
            await nobody_listens(site)

    farm.settings.state_dir.joinpath("secrets").mkdir(exist_ok=True)
    asyncio.run(watch())


def test_a_reader_that_reads_nothing_costs_no_memory_and_catches_up(farm: Farm) -> None:
    for n in range(40):
        put_job(farm.home.jobs, job_of(f"detect-{n:02}", items=100_000))
        farm.broker.leases.register(f"detect-{n:02}", 1)

    async def watch() -> None:
        async with serving() as (site, port):
            slow = await opened(port)
            (told,) = connections(site)
            # The kernel would keep megabytes for a reader that rests.
            told.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            of_slow = slow.writer.get_extra_info("socket")
            of_slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
            quick = await opened(port)
            size = len(json.dumps((await quick.event())[1]))
            for step in range(12):
                for n in range(40):
                    job = f"detect-{n:02}"
                    farm.broker.leases.done(job, step, "home", 10, 0, worked=True)
                await quick.event()
            assert 0 < len(told._write_buffer) < 2 * size
            slow.reader._transport.resume_reading()  # type: ignore[attr-defined]
            last: dict[str, Any] = {}
            while 'value="120"' not in str(last.get("job-detect-39", last.get("jobs", ""))):
                _, last, _ = await slow.event()
            await slow.close()
            await quick.close()

    def connections(site: Site) -> list[Any]:
        ears = [each.ear for all_ in site.hub._listeners.values() for each in all_]
        return [ear.request.connection.stream for ear in ears]  # type: ignore[attr-defined]

    asyncio.run(watch())
