"""One service of this machine → a check: does it do its work now? For containers' health checks.

Each look asks no more than whether the service itself is all right: a farm whose share is away is
no reason to start its agent anew. It imports what it needs and no more: it is asked every minute,
on boxes whose cores are slow.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from nasfarm.config import Settings
from nasfarm.core.checks import Check, broken, ok
from nasfarm.errors import FarmError

ANSWER_S = 5.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""A server that listens on all addresses of a machine, and where it is asked."""


def look_at_service(settings: Settings, service: str) -> Check:
    """Whether `service`, one of SERVICES, runs on this machine and does what it is there for."""
    try:
        lacking = SERVICES[service](settings)
    except FarmError as error:
        lacking = str(error)
    if lacking:
        mend = f"Look into its log, or start it: farm {service}"
        return broken("service", service, lacking, mend)
    return ok("service", service, "does its work")


def broker(settings: Settings) -> str:
    """The server of `farm broker` answers the farm's user."""
    from nasfarm.broker import connection
    from nasfarm.broker.embedded import url_of

    url = url_of(settings.broker_folder)
    if url is None:
        return "it has never run here"
    connection.check(url)
    return ""


def worker(settings: Settings) -> str:
    """The agent that runs here reports, and every slot of it is ready."""
    from nasfarm import keep
    from nasfarm.api import Farm

    asked = Farm(settings.home).broker
    lacking = keep.missing(asked, settings.node)
    if not lacking and keep.ready_node(asked, settings.node, settings.state_dir) is None:
        return "the node agent has ended; what it reported last is still there"
    return lacking


def watch(settings: Settings) -> str:
    """This node's watcher runs, and one of the farm takes files."""
    from nasfarm.api import Farm
    from nasfarm.storage.locked import holder

    if holder(settings.state_dir / "run" / "watch.pid") is None:
        return "the watcher does not run here"
    leads = Farm(settings.home).broker.leases.is_led("watcher")
    return "" if leads else "no watcher takes files now"


def serve(settings: Settings) -> str:
    """The status page's server answers."""
    return _asked(settings.web_listen, "/health/live")


def flower(settings: Settings) -> str:
    """Flower answers, be it by asking for its password."""
    return _asked(settings.flower_listen, "/healthcheck")


SERVICES: Mapping[str, Callable[[Settings], str]] = {
    check.__name__: check for check in (broker, worker, watch, serve, flower)
}
"""By the command that runs each: what it lacks; empty where it does its work."""


def _asked(listen: str, path: str) -> str:
    parts = urlsplit(f"//{listen}")
    host = EVERYWHERE.get(parts.hostname or "", parts.hostname or "")
    # Not urllib.request: that would ask a proxy, where the environment names one.
    asked = http.client.HTTPConnection(host, parts.port, timeout=ANSWER_S)
    try:
        asked.request("GET", path)
        status = asked.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{listen} does not answer: {error}"
    finally:
        asked.close()
    return "" if status in (200, 401) else f"{listen}{path} answers with status {status}"
