"""THE HOLDING FLOW: a node's name and a wish → its hold in the home, and what still runs there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from nasfarm.broker.client import Broker
from nasfarm.core.items import HOME_ROOT
from nasfarm.core.nodes import ByHand, Hold, NodeReport
from nasfarm.errors import BrokerError, RejectError, RetryError, UnknownNameError
from nasfarm.home import Home
from nasfarm.nodes import holds

POLL_S = 0.3
HEARD = ("pause", "drain")
"""Reasons by which a node's report shows that it has read its file."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a node stands. alive: it reports. held: by hand or otherwise. running: how many chunks.

    Where the broker does not answer nobody knows whether it is alive, or what it runs.
    """

    node: str
    held: tuple[Hold, ...]
    alive: bool | None
    running: int | None


def known(name: str, own: str, home: Home, broker: Callable[[], Broker]) -> str:
    """The name, where a node has it, away or not; `own`: this node's, which may never have run.

    Raises UnknownNameError with the nearest name that does exist.
    """
    names = {own} | holds.known_nodes(home.roots[HOME_ROOT])
    with suppress(BrokerError):  # its nodes have their files in the home as well
        names |= broker().presence.known()
    if name not in names:
        raise UnknownNameError.of("node", name, names, "See: farm nodes")
    return name


def hold(node: str, reason: ByHand, home: Home) -> Hold:
    """Have a node take no work, from its next look on. Raises StorageError."""
    return holds.hold(home.roots[HOME_ROOT], node, reason, time.time())


def release(node: str, home: Home) -> bool:
    """Let a node take work again; False where nobody held it. Raises StorageError."""
    return holds.release(home.roots[HOME_ROOT], node)


def standing(node: str, home: Home, broker: Callable[[], Broker]) -> Standing:
    """How a node stands now: by its file, its last report and its leases. Raises StorageError."""
    by_hand = holds.hold_of(home.roots[HOME_ROOT], node)
    said = (by_hand,) if by_hand else ()
    try:
        asked = broker()
        report = next((one for one in asked.presence.alive() if one.node == node), None)
        running = count_running(asked).get(node, 0)
    except BrokerError:
        return Standing(node, said, None, None)
    others = tuple(each for each in report.held if each.reason not in HEARD) if report else ()
    return Standing(node, others + said, report is not None, running)


def count_running(broker: Broker) -> dict[str, int]:
    """Node → how many chunks and reduce steps it works on. Raises BrokerError."""
    counts: dict[str, int] = {}
    for lease in broker.leases.all_held():
        counts[lease.held.node] = counts.get(lease.held.node, 0) + 1
    return counts


def wait_idle(node: str, home: Home, broker: Broker, timeout_s: float | None) -> None:
    """Return when a held node runs nothing any more.

    Raises RetryError when the time is up, RejectError where it was told to go on meanwhile.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    idle = 0
    while True:
        if holds.hold_of(home.roots[HOME_ROOT], node) is None:
            raise RejectError(f"{node}: was told to go on meanwhile. Again with: farm drain {node}")
        running = count_running(broker).get(node, 0)
        idle = 0 if running or not has_heard(node, broker) else idle + 1
        if idle == 2:  # not once: a worker may just be claiming what it took before it was told
            return
        if deadline is not None and time.monotonic() >= deadline:
            raise RetryError(
                f"{node}: still runs {running} chunks after {timeout_s:g} s. Go on waiting with: "
                f"farm drain {node} --wait   Hand them back at once: farm pause {node}",
                code="timeout",
            )
        time.sleep(POLL_S)


def has_heard(node: str, broker: Broker) -> bool:
    """Whether a node has read that it is held, or is away and takes nothing."""
    reports = [report for report in broker.presence.alive() if report.node == node]
    return not reports or reports[0].held_by(*HEARD)


def held_away(home: Home, alive: Iterable[NodeReport]) -> dict[str, Hold]:
    """The nodes that are away and will be held when they are back. Raises StorageError."""
    folder = home.roots[HOME_ROOT]
    away = sorted(holds.known_nodes(folder) - {report.node for report in alive})
    found = ((name, holds.hold_of(folder, name)) for name in away)
    return {name: said for name, said in found if said is not None}
