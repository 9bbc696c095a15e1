"""What the status page tells as it happens, as a browser hears it; the server runs in the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from nasfarm.api import Farm
from nasfarm.web.server import application, listen, site_of
from nasfarm.web.site import Site

PAUSE_S = 0.02
"""Between two looks of the server."""


@asynccontextmanager
async def serving(listens: str = "127.0.0.1:1") -> AsyncIterator[tuple[Site, int]]:
    """Serve in this loop: the site and its port. listens: what its settings say."""
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
    """Ask for a page's events."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = f"Host: localhost\r\nConnection: close\r\n{headers}\r\n"
    writer.write(f"GET /events{query} HTTP/1.1\r\n{lines}".encode())
    await writer.drain()
    status = await reader.readline()
    assert b" 200 " in status, status
    while (await reader.readline()).strip():
        pass
    return Stream(reader, writer)


async def nobody_listens(site: Site) -> None:
    """Wait until the server has seen that every client has gone."""
    for _ in range(500):
        if not site.hub.listeners:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{site.hub.listeners} still listen")
