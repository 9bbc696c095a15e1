"""What has changed on a page, told as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from nasfarm.web.base import HERE, Base
from nasfarm.web.hub import Listener
from nasfarm.web.pages import a_job

MOST = 300
"""Pages that may listen at once; each keeps a connection open."""

PING_S = 15.0
"""Between two signs of life; each time it is seen whether the login is over."""


class Events(Base):
    """A page's stream: open until the page is closed, or the login is over."""

    def initialize(self) -> None:
        self._over = asyncio.Event()

    async def get(self) -> None:
        job = self.get_query_argument("job", "")
        page = a_job(job) if job else ""
        hub = self.site.hub
        if hub.listeners >= MOST:
            raise HTTPError(503, "Too many pages are open.")
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("X-Accel-Buffering", "no")  # nginx would keep it back
        version = self.request.headers.get("Last-Event-ID") or self.get_query_argument("v", "")
        with hub.listening(page, Listener(self, self.acts, version)):
            while not self._over.is_set() and self._still_known():
                self._send(": here\n\n")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), PING_S)

    def on_connection_close(self) -> None:
        self._over.set()

    # -- an Ear ------------------------------------------------------------------------------

    def tell(self, event: str, version: str, changed: Mapping[str, str]) -> bool:
        stream = self.request.connection.stream  # type: ignore[union-attr]
        if stream.writing():
            return False
        self._send(f"event: {event}\nid: {version}\ndata: {json.dumps(changed)}\n\n")
        return True

    def end(self) -> None:
        self._over.set()

    def _still_known(self) -> bool:
        """Whether whoever opened the page may still see it."""
        return self.who is HERE or self.by_header or self.of_cookie() == self.who

    def _send(self, text: str) -> None:
        if self._over.is_set():
            return
        try:
            self.write(text)
            self.flush()
        except StreamClosedError:
            self._over.set()
