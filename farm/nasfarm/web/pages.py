"""The pages, and the buttons on them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Collection
from functools import partial

from tornado.web import HTTPError

from nasfarm import follow, holding
from nasfarm.core.settings import NODE_NAME
from nasfarm.core.words import number_of
from nasfarm.web.base import Base
from nasfarm.web.fragments import part
from nasfarm.web.sight import Seen, there

log = logging.getLogger(__name__)

JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
MOST_PAGES = 10_000


def a_job(text: str) -> str:
    """A job's id as it may stand in an address. Raises HTTPError 404."""
    if not JOB_ID.fullmatch(text):
        raise HTTPError(404)
    return text


class Overview(Base):
    """The whole farm."""

    async def get(self) -> None:
        now = await self.site.hub.rendered("", acts=self.acts)
        self.page("overview", now.title, sections=now.sections, events="/events",
                  version=now.version)  # fmt: skip


class Job(Base):
    """One job."""

    async def get(self, text: str) -> None:
        job_id = a_job(text)
        now = await self.site.hub.rendered(job_id, acts=self.acts)
        self.page("job", now.title, sections=now.sections, job_id=job_id,
                  events=f"/events?job={part(job_id)}", version=now.version)  # fmt: skip


class Jobs(Base):
    """Every job, page by page; as it was when the page was asked for."""

    async def get(self) -> None:
        said = self.get_query_argument("page", "1")
        page = int(said) if said.isascii() and said.isdecimal() and len(said) < 6 else 0
        if not 1 <= page <= MOST_PAGES:
            raise HTTPError(404)
        view = await self.site.act(partial(self.site.looker.older, page))
        now = self.site.renderer.view(view, acts=self.acts)
        self.page("older", now.title, sections=now.sections)


class Button(Base):
    """What is sent by a button: done, told, and the page is shown anew."""

    def told(self, said: str, back: str, **fields: object) -> None:
        self.site.hub.forget()
        user = self.who.name if self.who else ""
        log.info("steered", extra={**fields, "user": user, "said": said})
        if "application/json" in self.request.headers.get("Accept", ""):
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps({"said": said}))
        else:
            self.redirect(back, status=303)


class Steer(Button):
    """Pause, drain or resume a node."""

    async def post(self, node: str, how: str) -> None:
        if not NODE_NAME.fullmatch(node):
            raise HTTPError(404)
        said = await self.site.act(partial(steer, self.site.sight.see, node, how))
        self.told(said, "/", action="steered", node=node, how=how)


class Retry(Button):
    """Try a job's failed items again, or one of them."""

    async def post(self, text: str, item: str | None = None) -> None:
        job_id = a_job(text)
        only = None if item is None else {int(item)}
        count = await self.site.act(partial(retry, self.site.sight.see, job_id, only))
        said = "There is nothing to try again: it is being tried already."
        if count:
            said = f"{number_of(count, 'picture')} handed in again."
        self.told(said, f"/jobs/{part(job_id)}", action="retried", job=job_id, items=count)


def retry(see: Callable[[], Seen], job_id: str, only: Collection[int] | None) -> int:
    """Hand failed items in again; how many. Raises UnknownNameError, RejectError, RetryError."""
    seen = see()
    home = there(seen)
    return follow.retry(home.jobs.load(job_id), home, seen.broker, only)


def steer(see: Callable[[], Seen], node: str, how: str) -> str:
    """Hold a node back or let it go; what to say of it. Raises UnknownNameError, StorageError."""
    seen = see()
    home = there(seen)
    holding.known(node, seen.settings.node, home, lambda: seen.broker)
    if how == "resume":
        holding.release(node, home)
        return f"{node} takes work again."
    if how == "drain":
        holding.hold(node, "drain", home)
        return f"{node} finishes what it runs and takes no more."
    holding.hold(node, "pause", home)
    return f"{node} is paused; what it ran is handed back."
