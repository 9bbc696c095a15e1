"""Is this node's server, and what it needs, there? For people, containers and Prometheus."""

from __future__ import annotations

import json
from collections.abc import Mapping

from nasfarm.errors import BrokerError, StorageError
from nasfarm.web.base import Base
from nasfarm.web.metrics import CONTENT_TYPE, exposition
from nasfarm.web.sight import NoBroker, Seen, Sight


class Live(Base):
    """This process answers."""

    is_open = True

    def get(self) -> None:
        self.plain("live\n")

    head = get


class Ready(Base):
    """Whether broker, home and this node's slots are there; 503 where one is not.

    Everybody may ask, so it names what is missing, and no folder or address.
    """

    is_open = True

    async def get(self) -> None:
        try:
            missing = await self.site.ready.get()
        except TimeoutError:
            missing = {"home": "does not answer"}
        self.set_status(503 if missing else 200)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"ready": not missing, "missing": missing}) + "\n")

    head = get


class Metrics(Base):
    """What Prometheus asks for."""

    async def get(self) -> None:
        try:
            text = await self.site.metrics.get()
        except TimeoutError:
            raise StorageError("The farm's folder or broker has not answered for 5 s.") from None
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(text)


def missing(sight: Sight) -> Mapping[str, str]:
    """What does not answer, and how; nothing where all does."""
    seen = sight.see()
    found: dict[str, str] = {}
    if seen.home is None:
        found["home"] = "is away"
    if isinstance(seen.broker, NoBroker):
        found["broker"] = "does not answer"
    slots = slots_waiting(seen)
    if slots:
        found["slots"] = slots
    return found


def slots_waiting(seen: Seen) -> str:
    """This node's slots that are not ready; empty where it has no agent that reports."""
    try:
        reports = seen.broker.presence.alive()
    except BrokerError:
        return ""
    slots = (slot for one in reports if one.node == seen.settings.node for slot in one.slots)
    return ", ".join(
        f"slot {slot.number} is {slot.state}" for slot in slots if slot.state != "ready"
    )


def metrics(sight: Sight) -> bytes:
    """The whole farm in Prometheus' words."""
    seen = sight.see()
    return exposition(seen.home, seen.broker)
