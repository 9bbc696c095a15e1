"""One service of this machine → a check: does it do its work now? For containers' health checks.

Each look takes well under a second and asks no more than whether the service itself is all right:
a farm whose share is away is no reason to start its agent anew.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from nasfarm import keep
from nasfarm.api import Farm
from nasfarm.core.checks import Check, broken, ok
from nasfarm.errors import FarmError
from nasfarm.storage.locked import holder

ANSWER_S = 5.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""A server that listens on all addresses of a machine, and where it is asked."""


def look_at_service(farm: Farm, service: str) -> Check:
    """Whether `service`, one of SERVICES, runs on this machine and does what it is there for."""
    try:
        lacking = SERVICES[service](farm)
    except FarmError as error:
        lacking = str(error)
    if lacking:
        return broken(
            "service", service, lacking, f"Look into its log, or start it: farm {service}"
        )
    return ok("service", service, "does its work")


def broker(farm: Farm) -> str:
    """The server of `farm broker` answers the farm's user."""
    farm.broker.check()
    return ""


def worker(farm: Farm) -> str:
    """The agent that runs here reports, and every slot of it is ready."""
    settings = farm.settings
    lacking = keep.missing(farm.broker, settings.node)
    if not lacking and keep.ready_node(farm.broker, settings.node, settings.state_dir) is None:
        return "the node agent has ended; what it reported last is still there"
    return lacking


def watch(farm: Farm) -> str:
    """This node's watcher runs, and one of the farm takes files."""
    if holder(farm.settings.state_dir / "run" / "watch.pid") is None:
        return "the watcher does not run here"
    return "" if farm.broker.leases.is_led("watcher") else "no watcher takes files now"


def serve(farm: Farm) -> str:
    """The status page's server answers."""
    return _asked(farm.settings.web_listen, "/health/live")


def flower(farm: Farm) -> str:
    """Flower answers."""
    return _asked(farm.settings.flower_listen, "/healthcheck")


SERVICES: Mapping[str, Callable[[Farm], str]] = {
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
    return "" if status == 200 else f"{listen}{path} answers with status {status}"
