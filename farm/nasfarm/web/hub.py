"""Pages and those who listen to them → what changes is told, by one look a second for all.

Nobody listens: nobody looks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from nasfarm.errors import UnknownNameError
from nasfarm.web.fragments import Rendered, Renderer, changes
from nasfarm.web.look import Looker
from nasfarm.web.shared import PATIENCE_S, PAUSE_S, Shared
from nasfarm.web.views import JobView, Overview, Trouble, View

log = logging.getLogger(__name__)

MOST_PAGES = 32
"""So many pages' last looks are kept; those that somebody listens to come on top."""


class Ear(Protocol):
    """Somebody who listens."""

    def tell(self, event: str, version: str, changed: Mapping[str, str]) -> bool:
        """Send; False where what was sent before has not gone out yet, so nothing is sent."""

    def end(self) -> None:
        """There will be no more."""


@dataclass(slots=True)
class Listener:
    """An ear, and what it knows. version: what its page shows."""

    ear: Ear
    acts: bool
    version: str
    last: Rendered | None = None

    def hear(self, now: Rendered) -> None:
        """Tell what is new; what a slow ear has missed comes with the next that it hears."""
        if self.version == now.version:
            self.last = now
        elif self.ear.tell("change", now.version, changes(self.last, now)):
            self.last, self.version = now, now.version


@dataclass(slots=True)
class Shown:
    """What was seen, and its HTML so far: for those who may steer and those who may not."""

    view: View
    html: dict[bool, Rendered] = field(default_factory=dict)


class Hub:
    """Pages by their name (a job's id; empty: the overview). All methods belong to one loop."""

    def __init__(self, looker: Looker, renderer: Renderer, pause_s: float = PAUSE_S) -> None:
        self._looker = looker
        self._renderer = renderer
        self._pause_s = pause_s
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="look")
        self._pages: dict[str, Shared[Shown]] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._tellers: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self.looks = 0

    # -- one look ----------------------------------------------------------------------------

    async def rendered(self, page: str, *, acts: bool) -> Rendered:
        """A page as it is now, at most a second old. Raises UnknownNameError."""
        try:
            shown = await self._shared(page).get()
        except TimeoutError:
            shown = Shown(self._silent(page))
        if acts not in shown.html:
            shown.html[acts] = self._renderer.view(shown.view, acts=acts)
        return shown.html[acts]

    def forget(self) -> None:
        """Something was changed: look again, at once."""
        for page in self._pages.values():
            page.forget()
        self._news.set()
        self._news = asyncio.Event()

    def _shared(self, page: str) -> Shared[Shown]:
        shared = self._pages.pop(page, None)
        if shared is None:
            shared = Shared(partial(self._look, page), self._threads, self._pause_s)
        self._pages[page] = shared  # the last one is the newest
        unheard = [name for name in self._pages if name not in self._listeners]
        for name in unheard[:-MOST_PAGES]:
            del self._pages[name]
        return shared

    def _look(self, page: str) -> Shown:
        self.looks += 1
        return Shown(self._looker.job(page) if page else self._looker.overview())

    def _silent(self, page: str) -> View:
        trouble = Trouble(
            f"The farm has not answered for {PATIENCE_S:g} s",
            f"Its folder is {self._looker.place}.",
            "If that lies on a share, see whether the share is there. Look with: farm doctor",
        )
        return JobView(page, (trouble,)) if page else Overview((trouble,))

    # -- those who listen --------------------------------------------------------------------

    @property
    def listeners(self) -> int:
        return sum(map(len, self._listeners.values()))

    @contextmanager
    def listening(self, page: str, listener: Listener) -> Iterator[None]:
        """Tell the listener of the page's changes while the block runs."""
        everyone = self._listeners.setdefault(page, [])
        everyone.append(listener)
        if page not in self._tellers or self._tellers[page].done():
            self._tellers[page] = asyncio.create_task(self._tell(page, everyone))
        try:
            yield
        finally:
            everyone.remove(listener)
            if not everyone and self._listeners.get(page) is everyone:
                del self._listeners[page]
                self._tellers.pop(page).cancel()

    async def _tell(self, page: str, everyone: list[Listener]) -> None:
        try:
            while True:
                news = self._news
                await self._tell_once(page, everyone)
                rest_s = self._shared(page).next_s - asyncio.get_running_loop().time()
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), max(self._pause_s / 10, rest_s))
        except UnknownNameError:  # the job was cleaned away
            end(everyone, "gone")
        except Exception:  # a defect; pages that hear nothing come again by themselves
            log.exception("look broke off", extra={"action": "look_broke", "page": page})
            end(everyone, "gone")

    async def _tell_once(self, page: str, everyone: list[Listener]) -> None:
        for acts in {listener.acts for listener in everyone}:
            now = await self.rendered(page, acts=acts)
            for listener in everyone[:]:
                if listener.acts == acts:
                    listener.hear(now)

    def close(self) -> None:
        """Nobody is told any more."""
        for everyone in [*self._listeners.values()]:
            end(everyone, "")
        for task in self._tellers.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)


def end(everyone: list[Listener], event: str) -> None:
    """End all ears, with a last word where there is one."""
    for listener in everyone[:]:
        if event:
            listener.ear.tell(event, "", {})
        listener.ear.end()
