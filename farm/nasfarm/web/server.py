"""A farm's settings → its HTTP server, until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from nasfarm.api import Farm
from nasfarm.config import Settings
from nasfarm.errors import RejectError
from nasfarm.keep import monitor_file
from nasfarm.storage.locked import sole
from nasfarm.web import base, events, files, health, login, pages
from nasfarm.web.fragments import FOLDER, Renderer
from nasfarm.web.guard import split_listen
from nasfarm.web.hub import Hub
from nasfarm.web.look import Looker
from nasfarm.web.shared import Shared
from nasfarm.web.sight import Sight
from nasfarm.web.site import Site
from nasfarm.web.users import Users, signing_key

log = logging.getLogger(__name__)

MOST_BYTES = 64 << 10
"""Of a request: its headers, and its form."""
MOST_CONNECTIONS = 600
"""At once; twice as many as pages that may listen, and with all else within the usual limit of 1024
open files. Beyond that limit the loop would try without a pause to take what it cannot.
"""
ENDING_S = 0.5

ROUTES = [
    (r"/", pages.Overview),
    (r"/jobs", pages.Jobs),
    (r"/jobs/([^/]+)", pages.Job),
    (r"/jobs/([^/]+)/retry", pages.Retry),
    (r"/jobs/([^/]+)/retry/([0-9]{1,9})", pages.Retry),
    (r"/jobs/([^/]+)/results\.(csv|jsonl)", files.Results),
    (r"/jobs/([^/]+)/report\.html", files.Report),
    (r"/jobs/([^/]+)/tables/([a-z][a-z0-9_-]{0,63}\.csv)", files.Table),
    (r"/jobs/([^/]+)/pictures/([^/]+)", files.Picture),
    (r"/nodes/([^/]+)/(pause|drain|resume)", pages.Steer),
    (r"/events", events.Events),
    (r"/login", login.Login),
    (r"/logout", login.Logout),
    (r"/health/live", health.Live),
    (r"/health/ready", health.Ready),
    (r"/metrics", health.Metrics),
]


def site_of(open_farm: Callable[[], Farm], pause_s: float = 1.0) -> Site:
    """All that the handlers share. Raises RejectError where nobody could log in, StorageError."""
    sight = Sight(open_farm)
    settings = sight.settings
    users = Users(settings.state_dir)
    looker, renderer = Looker(sight), Renderer()
    style = (FOLDER / "static" / "page.css").read_text("utf-8")
    asking = ThreadPoolExecutor(2, thread_name_prefix="ask")
    site = Site(
        settings, sight, Hub(looker, renderer, pause_s), looker, renderer, users,
        signing_key(settings.state_dir), style, asking,
        Shared(partial(health.missing, sight), asking, pause_s),
        Shared(partial(health.metrics, sight), asking, pause_s),
    )  # fmt: skip
    if not site.loopback and not users.all():
        raise RejectError(
            f"web.listen is {settings.web_listen}, which other machines reach, and nobody could "
            "log in yet. Make a user: farm users add NAME --role operate"
        )
    return site


def application(site: Site) -> Application:
    """The routes and how cookies are made."""
    cookie = {"httponly": True, "samesite": "Strict"}
    routes: list[tuple[str, type[RequestHandler]]] = [*ROUTES]
    return Application(
        [*routes],
        site=site,
        cookie_secret=site.key.decode(),
        xsrf_cookie_name="farm_xsrf",
        xsrf_cookie_kwargs=cookie,
        static_path=str(FOLDER / "static"),
        static_handler_class=files.Static,
        default_handler_class=base.NotFound,
        log_function=log_failure,
    )


def log_failure(handler: RequestHandler) -> None:
    """Only what went wrong here; who changed something is told where they did."""
    if handler.get_status() >= 500 and handler.get_status() != 503:
        fields = {"action": "answer_failed", "path": handler.request.path}
        log.error("could not answer", extra={**fields, "status": handler.get_status()})


class Bounded(HTTPServer):
    """Hangs up on those who come while too many are connected."""

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            stream.close()
        else:
            super().handle_stream(stream, address)


def listen(app: Application, settings: Settings) -> HTTPServer:
    """Begin to answer. Raises RejectError where the address cannot be had."""
    host, port = split_listen(settings.web_listen)
    try:
        sockets = bind_sockets(port, host)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "another program has it" if taken else error.strerror or str(error)
        raise RejectError(
            f"{settings.web_listen}: cannot listen there: {why}. Stop that program, or set another "
            f"address in {settings.node_file}, e.g.: web.listen: {host}:{port + 1}"
        ) from error
    server = Bounded(
        app, max_header_size=MOST_BYTES, max_body_size=MOST_BYTES, max_buffer_size=4 * MOST_BYTES,
        idle_connection_timeout=75, body_timeout=10,
    )  # fmt: skip
    server.add_sockets(sockets)
    return server


async def serve(site: Site, said: Callable[[str], None]) -> None:
    """Answer until SIGTERM or SIGINT. Raises RejectError where the address cannot be had."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = listen(application(site), site.settings)
    said(f"The status page is at http://{site.settings.web_listen}/")
    log.info("serving", extra={"action": "serving", "listen": site.settings.web_listen})
    with sole(monitor_file(site.settings.state_dir, "serve"), "the status page"):
        await stop.wait()
    server.stop()
    site.close()
    try:
        await asyncio.wait_for(server.close_all_connections(), ENDING_S)
    except TimeoutError:
        log.info("connections cut", extra={"action": "connections_cut"})


def run(open_farm: Callable[[], Farm], said: Callable[[str], None]) -> None:
    """Be this node's server until told to stop; then this process ends."""
    asyncio.run(serve(site_of(open_farm), said))
    log.info("stopped", extra={"action": "stopped"})
    logging.shutdown()
    # A thread that waits for a share that is away would keep the process for as long as that is.
    os._exit(0)
