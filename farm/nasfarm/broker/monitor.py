"""A broker's address to Flower in this process: read-only, bounded, closed to whoever has no login.

Flower itself leaves two doors open. Its `/metrics` and `/healthcheck` ask for no password; and
where there is none at all, any web page that is open in a browser of this machine may talk to it by
another name (DNS rebinding). So every request passes `refusal` first, whatever it asks for.
"""

from __future__ import annotations

import hmac
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery.events import EventReceiver
from flower.app import Flower
from flower.events import Events
from flower.options import default_options as options
from flower.urls import settings as pages
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import RequestHandler

from nasfarm.broker.celery_app import create_celery
from nasfarm.core.listening import basic, host_of, is_loopback, split_listen
from nasfarm.errors import RejectError, RetryError
from nasfarm.storage.atomic import storage_errors
from nasfarm.storage.locked import sole

log = logging.getLogger(__name__)

MOST_TASKS, MOST_WORKERS = 10_000, 500
SAVE_S = 60
"""So often what it knows is saved; a kill -9 costs what came since."""
FORGET_S = 600
"""A worker that was not heard of for so long is shown no more."""
RETRY_S = 2.0
"""Pause between two tries to hear events from a broker that is away."""
MOST_BYTES = 1 << 20
"""Of a request: it is read whole before it is refused. Flower's own form for rows has 10 kB."""
IDLE_S, BODY_S = 75, 10
COLUMNS = "name,args,state,result,received,runtime,worker"
READS = ("GET", "HEAD", "OPTIONS")
TABLE = "/tasks/datatable"
"""Flower's own page of tasks asks for its rows by POST."""

LISTS = ("/broker", "/api/workers")
"""Pages of what workers said when they were asked last: they are asked when somebody looks."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who may look, as Flower's password file has it: `name:password`, plain ASCII."""

    text: str

    @classmethod
    def of(cls, text: str, place: str) -> Login:
        """Raises RejectError that begins with `place`."""
        name, _, password = text.partition(":")
        if not (name and password and text.isascii() and text.isprintable()):
            raise RejectError(
                f"{place}: wanted one line of the form name:password, in plain letters, digits and "
                "signs.",
                code="setting",
            )
        return cls(text)

    def allows(self, header: str) -> bool:
        """Whether an Authorization header names this login."""
        said = basic(header)
        return said is not None and hmac.compare_digest(":".join(said).encode(), self.text.encode())


def refusal(method: str, path: str, host: str, authorization: str, login: Login | None) -> int:
    """The status with which a request is refused; 0: it is answered. Pure.

    host, authorization: these headers, empty where they are missing.
    """
    if login is None:
        # Only on a loopback address. A name that is not this machine's own was made to point here.
        if not is_loopback(host_of(host)):
            return 403
    elif not login.allows(authorization):
        return 401
    return 0 if method in READS or path == TABLE else 403


class Refuse(RequestHandler):
    """Answers with a status and nothing else."""

    def initialize(self, status: int) -> None:
        self._refused = status

    def prepare(self) -> None:
        self.set_status(self._refused)
        if self._refused == 401:
            self.set_header("WWW-Authenticate", 'Basic realm="Flower"')
        self.finish()

    def check_xsrf_cookie(self) -> None:
        """It is refused anyway."""


class Guarded(Flower):  # type: ignore[misc]
    """Flower behind a login, whatever is asked for."""

    login: Login | None = None

    def start_http_server(self) -> None:
        """Begin to listen. Raises OSError. Flower's own takes 100 MB from anybody, at any pace."""
        sockets = bind_sockets(self.options.port, self.options.address)
        server = HTTPServer(
            self, max_body_size=MOST_BYTES, idle_connection_timeout=IDLE_S, body_timeout=BODY_S
        )
        server.add_sockets(sockets)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        status = refusal(
            request.method or "", request.path, request.headers.get("Host", ""),
            request.headers.get("Authorization", ""), self.login,
        )  # fmt: skip
        if not status and request.path in LISTS:
            self.update_workers()
        found: HTTPMessageDelegate = (
            self.get_handler_delegate(request, Refuse, {"status": status})
            if status
            else super().find_handler(request, **kwargs)
        )
        return found


class Hearing(Events):  # type: ignore[misc]
    """Events, heard again soon after the broker is back: Flower's own pauses grow without end."""

    def run(self) -> None:
        told = False
        while True:
            try:
                with self.capp.connection() as connection:
                    heard = EventReceiver(connection, {"*": self.on_event}, app=self.capp)
                    if told:
                        log.info("hears events again", extra={"action": "events_back"})
                    told = False
                    heard.capture(limit=None, timeout=None, wakeup=True)
            except Exception as error:  # whatever it was, the next try may succeed
                if not told:
                    fields = {"action": "events_away", "reason": f"{type(error).__name__}: {error}"}
                    log.warning("no events for the moment, trying again", extra=fields)
                told = True
            time.sleep(RETRY_S)


def run_flower(
    url: str, listen: str, login: Login | None, folder: Path, pid_file: Path,
    said: Callable[[str], None],
) -> None:  # fmt: skip
    """Be Flower until SIGTERM or SIGINT; what it knows is kept in `folder`.

    pid_file: held while it listens. Raises RejectError: it would be open to others, or one runs
    already. Raises RetryError: the address is taken. Raises StorageError.
    """
    host, port = split_listen(listen)
    if login is None and not is_loopback(host):
        raise RejectError(
            f"flower.listen: {listen} can be reached from other machines, and Flower would show "
            "them everything. Write name:password into a file, and name the file in node.yml: "
            "flower.password_file: /path/of/the/file",
            code="setting",
        )
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    flower = set_up(url, host, port, login, folder)
    try:
        flower.start_http_server()
    except OSError as error:
        raise RetryError(
            f"flower.listen: {listen}: Flower cannot listen there ({error.strerror or error}). "
            "Stop the program that does, or choose another address in node.yml, e.g. "
            f"flower.listen: {host}:{port + 1}",
            code="address",
        ) from error
    with sole(pid_file, "Flower"):
        said(f"Flower: http://{listen}/")
        run_until_signal(flower)


def run_until_signal(flower: Guarded) -> None:
    """Hear events and answer requests; at the end what it knows is saved."""
    loop = flower.io_loop
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.add_callback_from_signal(loop.stop))
    flower.events.start()
    loop.add_callback(flower.update_workers)
    loop.start()
    try:
        flower.events.stop()
    except Exception:  # a full disk; it must not keep the farm from stopping
        log.exception("state not saved", extra={"action": "state_not_saved"})
    logging.shutdown()
    os._exit(0)  # at once: threads may wait seconds for a broker that is gone


def set_up(url: str, host: str, port: int, login: Login | None, folder: Path) -> Guarded:
    """Flower as the farm wants it; nothing runs yet."""
    quiet()
    wanted = {
        "address": host,
        "port": port,
        "basic_auth": [login.text] if login else [],
        "read_only": True,
        "persistent": True,
        "db": str(folder / "state"),
        "state_save_interval": SAVE_S * 1000,
        "max_tasks": MOST_TASKS,
        "max_workers": MOST_WORKERS,
        "purge_offline_workers": FORGET_S,
        # Workers send events anyway, so nobody has to be asked to every few seconds.
        "enable_events": False,
        "natural_time": True,
        "tasks_columns": COLUMNS,
    }
    for name, value in wanted.items():
        setattr(options, name, value)
    app = create_celery(url)
    loop = IOLoop.current()
    events = Hearing(
        app, loop, db=options.db, persistent=True, state_save_interval=options.state_save_interval,
        enable_events=False, max_workers_in_memory=MOST_WORKERS, max_tasks_in_memory=MOST_TASKS,
    )  # fmt: skip
    flower = Guarded(options=options, capp=app, events=events, io_loop=loop, **pages)
    flower.login = login
    return flower


def quiet() -> None:
    """Its log holds what somebody has to mend: not who looked, nor which worker said nothing."""
    for name in ("tornado.access", "flower.inspector", "kombu.mixins"):
        logging.getLogger(name).setLevel(logging.ERROR)
