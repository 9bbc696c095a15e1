"""What changes is told as it happens: only that, to all at once, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobfolders import job_of, put_done, put_job
from nasfarm.api import Farm
from nasfarm.web.server import application, listen, site_of
from nasfarm.web.site import Site
from ownbroker import own_broker
from webserver import OUTSIDE, made_farm

PAUSE_S = 0.02


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    with own_broker(tmp_path / "broker") as own:
        yield made_farm(tmp_path, monkeypatch, own.url)


@asynccontextmanager
async def serving(listens: str = "127.0.0.1:1") -> AsyncIterator[tuple[Site, int]]:
    site = site_of(Farm, PAUSE_S)
    site.settings = replace(site.settings, web_listen=listens)
    server = listen(application(site), replace(site.settings, web_listen="127.0.0.1:0"))
    port = next(iter(server._sockets.values())).getsockname()[1]
    try:
        yield site, port
    finally:
        server.stop()
        site.close()
        await server.close_all_connections()


class Stream:
    """A client that reads events."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def event(self) -> tuple[str, dict[str, Any], str]:
        """The next event: its name, what it holds, its id. Raises EOFError at the stream's end."""
        fields: dict[str, str] = {}
        while True:
            raw = await asyncio.wait_for(self.reader.readline(), 10)
            if not raw:
                raise EOFError
            line = raw.decode().strip()
            name, _, value = line.partition(": ")
            if name in ("event", "data", "id"):
                fields[name] = value
            if not line and "event" in fields:
                return fields["event"], json.loads(fields["data"]), fields.get("id", "")

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


async def opened(port: int, query: str = "", headers: str = "") -> Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = f"Host: localhost\r\nConnection: close\r\n{headers}\r\n"
    writer.write(f"GET /events{query} HTTP/1.1\r\n{lines}".encode())
    await writer.drain()
    status = await reader.readline()
    assert b" 200 " in status, status
    while (await reader.readline()).strip():
        pass
    return Stream(reader, writer)


async def settled(site: Site, listeners: int) -> None:
    for _ in range(500):
        if site.hub.listeners == listeners:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{site.hub.listeners} listeners, wanted {listeners}")


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
            await settled(site, 0)
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
            await settled(site, 0)

    farm.settings.state_dir.joinpath("secrets").mkdir(exist_ok=True)
    asyncio.run(watch())


def test_a_reader_that_reads_nothing_costs_no_memory_and_catches_up(farm: Farm) -> None:
    for n in range(40):
        put_job(farm.home.jobs, job_of(f"detect-{n:02}", items=100_000))
        farm.broker.leases.register(f"detect-{n:02}", 1)

    async def watch() -> None:
        async with serving() as (site, port):
            slow, quick = await opened(port), await opened(port)
            slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
            await quick.event()
            for step in range(60):
                for n in range(40):
                    job = f"detect-{n:02}"
                    farm.broker.leases.done(job, step, "home", 10, 0, worked=True)
                await quick.event()
            (unsent,) = [max(buffers(site, port))]
            assert unsent < 2_000_000
            slow.reader._transport.resume_reading()  # type: ignore[attr-defined]
            last: dict[str, Any] = {}
            while 'value="600"' not in str(last.get("job-detect-39", last.get("jobs", ""))):
                _, last, _ = await slow.event()
            await slow.close()
            await quick.close()

    def buffers(site: Site, port: int) -> list[int]:
        ears = [each.ear for all_ in site.hub._listeners.values() for each in all_]
        return [len(ear.request.connection.stream._write_buffer) for ear in ears]  # type: ignore

    asyncio.run(watch())


def test_a_thousand_who_come_and_go_leave_nothing_behind(farm: Farm) -> None:
    """An hour's worth of pages opened and closed while a job makes progress."""
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
        await settled(site, 0)
        await asyncio.sleep(0.3)

    def held() -> tuple[int, int, int]:
        gc.collect()
        files = len(os.listdir("/proc/self/fd"))
        return files, threading.active_count(), len(gc.get_objects())

    async def watch() -> None:
        async with serving() as (site, port):
            await some(site, port, 10)  # what is opened once and kept: threads, the broker's socket
            before = held()
            await some(site, port, 100)
            after = held()
            print("open files, threads, objects:", before, after)
            assert after[0] <= before[0] + 2 and after[1] <= before[1] + 2
            assert after[2] < before[2] + 1000, (before, after)

    asyncio.run(watch())


def test_an_hour_of_progress_told_in_seconds_keeps_no_memory(farm: Farm) -> None:
    """3600 changes, as many as an hour has looks, told to three pages."""
    put_job(farm.home.jobs, job_of("detect-1", items=1_000_000))
    farm.broker.leases.register("detect-1", 1)

    async def watch() -> None:
        async with serving() as (site, port):
            site.hub._pause_s = 0.0
            streams = [await opened(port) for _ in range(3)]
            counts: list[int] = []
            for n in range(1200):
                site.hub.forget()
                farm.broker.leases.done("detect-1", n, "home", 1, 0, worked=True)
                await asyncio.gather(*(stream.event() for stream in streams))
                if n in (200, 1199):
                    gc.collect()
                    counts.append(len(gc.get_objects()))
            assert counts[1] < counts[0] + 1000, counts
            for stream in streams:
                await stream.close()

    asyncio.run(watch())
