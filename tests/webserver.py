"""The status page's server in a test's own process, and what a browser would send to it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from nasfarm.api import Farm
from nasfarm.setup import make_home
from nasfarm.web.server import application, listen, site_of
from nasfarm.web.site import Site

OUTSIDE = "192.0.2.7:8790"
"""An address that others reach; nothing listens there."""

TOKEN = re.compile(r'name="_xsrf" value="([^"]+)"')
HTML = {"Accept": "text/html"}


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers at `url`."""

    url: str
    site: Site
    loop: asyncio.AbstractEventLoop

    @contextmanager
    def browser(self, **headers: str) -> Iterator[httpx.Client]:
        """A client with cookies of its own, whose Origin is the server's."""
        mine = {**HTML, "Origin": self.url, **headers}
        with httpx.Client(base_url=self.url, headers=mine, timeout=20, trust_env=False) as client:
            yield client


@contextmanager
def served(
    open_farm: Callable[[], Farm], listens: str = "", pause_s: float = 1.0
) -> Iterator[Served]:
    """Serve a farm on a free port of the loopback address. listens: what its settings say."""
    site = site_of(open_farm, pause_s)
    site.settings = replace(site.settings, web_listen=listens or "127.0.0.1:1")
    begun: list[Served] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = listen(application(site), replace(site.settings, web_listen="127.0.0.1:0"))
        port = next(iter(server._sockets.values())).getsockname()[1]
        begun.append(Served(f"http://127.0.0.1:{port}", site, asyncio.get_running_loop()))
        ready.set()
        await stop.wait()
        server.stop()
        site.close()
        await server.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield begun[0]
    finally:
        begun[0].loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive(), "the server does not end"


def made_farm(folder: Path, patch: pytest.MonkeyPatch, broker_url: str) -> Farm:
    """A home without models, and a node's state folder; the environment names both."""
    patch.setenv("FARM_HOME", str(folder / "home"))
    patch.setenv("FARM_STATE_DIR", str(folder / "state"))
    patch.setenv("FARM_BROKER_URL", broker_url)
    patch.setenv("FARM_NODE", "nas")
    farm = Farm()
    make_home(farm.settings)
    return farm


def token(page: httpx.Response) -> str:
    """The token that the page's forms send back."""
    found = TOKEN.search(page.text)
    assert found, page.text[:500]
    return found[1]


def press(client: httpx.Client, path: str, on: str = "/", **fields: str) -> httpx.Response:
    """Press a button of the page `on`."""
    return client.post(path, data={"_xsrf": token(client.get(on)), **fields})


def log_in(client: httpx.Client, name: str, password: str) -> httpx.Response:
    """Fill in the form of the login page."""
    return press(client, "/login", on="/login", name=name, password=password)
