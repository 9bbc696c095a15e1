"""A job's files as they lie in its folder, and its results as a table: to whoever may see them.

A folder is entered step by step and no step may be a link, so no address leads out of `jobs/`.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any, BinaryIO

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, StaticFileHandler

from nasfarm.errors import RejectError
from nasfarm.home import Home
from nasfarm.jobs.export import Exported, Lines, write_csv, write_jsonl
from nasfarm.jobs.results import merged, parsed
from nasfarm.storage.removal import opened
from nasfarm.web import guard
from nasfarm.web.base import Base
from nasfarm.web.pages import a_job

log = logging.getLogger(__name__)

MOST_BYTES = 64 << 20
PIECE_BYTES = 1 << 16
SLOW_READER_S = 60.0

FORMATS: dict[str, tuple[str, Callable[[Lines, BinaryIO], Exported]]] = {
    "csv": ("text/csv; charset=utf-8", write_csv),
    "jsonl": ("application/jsonl; charset=utf-8", write_jsonl),
}


class Static(Base, StaticFileHandler):
    """The pages' style, script and sign."""


class Picture(Base):
    """A drawn picture."""

    async def get(self, text: str, name: str) -> None:
        if not name.endswith(".jpg"):
            raise HTTPError(404)
        await self.send(a_job(text), ("pictures",), name, "image/jpeg")

    async def send(self, job_id: str, below: tuple[str, ...], name: str, kind: str) -> None:
        """Answer with a file of a job."""
        site = self.site
        content = await site.act(lambda: content_of(site.sight.home(), job_id, below, name))
        if content is None:
            raise HTTPError(404)
        self.set_header("Content-Type", kind)
        self.finish(content)


class Report(Picture):
    """A job's report: a page of its own, which runs nothing."""

    async def get(self, text: str, name: str = "report.html") -> None:
        self.set_header("Content-Security-Policy", guard.REPORT)
        await self.send(a_job(text), (), name, "text/html; charset=utf-8")


class Table(Picture):
    """A table that the recipe has made of the job, as its report names it."""

    async def get(self, text: str, name: str) -> None:
        job_id = a_job(text)
        self.set_header("Content-Disposition", f'attachment; filename="{job_id}-{name}"')
        await self.send(job_id, ("tables",), name, "text/csv; charset=utf-8")


class Results(Base):
    """What was found, line by line as it is read: a million lines cost no memory."""

    def initialize(self) -> None:
        self._gone = asyncio.Event()

    async def get(self, text: str, form: str) -> None:
        job_id = a_job(text)
        kind, write = FORMATS[form]
        lines = await self.site.act(partial(lines_of, self.site.sight.home, job_id))
        self.set_header("Content-Type", kind)
        self.set_header("Content-Disposition", f'attachment; filename="{job_id}.{form}"')
        loop = asyncio.get_running_loop()
        outlet = Outlet(lambda piece: asyncio.run_coroutine_threadsafe(self._sent(piece), loop))
        try:
            await loop.run_in_executor(self.site.sending, partial(written, write, lines, outlet))
        except StreamClosedError:  # whoever asked has gone, or has taken nothing for a minute
            self._break_off()
        except Exception as error:
            if not self._headers_written:
                raise
            self._break_off()
            fields = {"action": "answer_failed", "path": self.request.path, "reason": str(error)}
            log.error("results broke off", extra=fields)

    def _break_off(self) -> None:
        """Cut the connection: ended properly, half of a table would look like a whole one."""
        self.request.connection.stream.close()  # type: ignore[union-attr]

    def on_connection_close(self) -> None:
        self._gone.set()

    async def _sent(self, piece: bytes) -> None:
        """Return once the client has taken it. Raises StreamClosedError."""
        if self._gone.is_set():
            raise StreamClosedError
        self.write(piece)
        # Tornado's flush never returns where the client goes in the middle of it.
        flushed = asyncio.ensure_future(self.flush())
        gone = asyncio.create_task(self._gone.wait())
        either: set[asyncio.Future[Any]] = {flushed, gone}
        await asyncio.wait(either, timeout=SLOW_READER_S, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not flushed.done():
            raise StreamClosedError


class Outlet(io.RawIOBase):
    """A file that a thread writes to, and a client reads from. sends: puts bytes on their way."""

    def __init__(self, sends: Callable[[bytes], Future[None]]) -> None:
        super().__init__()
        self._sends = sends

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        """Wait until the client has taken it. Raises StreamClosedError."""
        piece = bytes(content)
        self._sends(piece).result()
        return len(piece)


def written(write: Callable[[Lines, BinaryIO], Exported], lines: Lines, outlet: Outlet) -> None:
    """Write an export to its end. Raises StreamClosedError."""
    out = io.BufferedWriter(outlet, PIECE_BYTES)
    try:
        write(lines, out)
        out.flush()
    except BaseException:
        outlet.close()  # or what is left would be tried again when the buffer goes
        raise


def lines_of(find: Callable[[], Home], job_id: str) -> Lines:
    """A job's lines so far. Raises UnknownNameError, StorageError."""
    home = find()
    plan = home.jobs.plan(home.jobs.load(job_id))

    def lines() -> Iterator[dict[str, Any]]:
        return map(parsed, merged(home.jobs, job_id, plan))

    return lines


def content_of(home: Home, job_id: str, below: tuple[str, ...], name: str) -> bytes | None:
    """What a file of a job holds; None where there is no such file, or it is a link."""
    if "/" in name or "\0" in name:
        return None
    try:
        with opened(home.jobs.folder, job_id, *below) as folder:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                             dir_fd=folder)  # fmt: skip
    except OSError:
        return None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        return None
    with open(handle, "rb") as file:
        if status.st_size > MOST_BYTES:
            raise RejectError(
                f"{name}: {status.st_size} bytes; at most {MOST_BYTES} are shown here."
            )
        return file.read()
