"""What a node's agent does beside its slots: return leases, follow roots, report, reconcile."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import nasfarm
from nasfarm import config
from nasfarm.broker.celery_app import create_celery
from nasfarm.broker.client import Broker
from nasfarm.broker.steering import steer
from nasfarm.core.items import HOME_ROOT
from nasfarm.core.lease_rules import Cause
from nasfarm.core.nodes import Hold, NodeReport, Slot, sentence
from nasfarm.core.tallies import of_lost
from nasfarm.deadlines import keep_deadlines
from nasfarm.errors import RejectError, StorageError
from nasfarm.home import Home
from nasfarm.keep import name_taken
from nasfarm.nodes.holds import hold_of, introduce
from nasfarm.nodes.roots import known_roots, present
from nasfarm.nodes.sensors import Sensors
from nasfarm.nodes.vnni import has_vnni
from nasfarm.plan.chunks import queue_names
from nasfarm.reconcile import lost_leases, reconcile, return_leases
from nasfarm.storage.atomic import write_file
from nasfarm_workers.orders import Orders
from nasfarm_workers.slots import aside_file, slot_name

log = logging.getLogger(__name__)

REPORT_S = 2.0
ROOTS_S = 0.5
STEER_S = 5.0
LOOK_S = 2.0
"""So long a pass looks at jobs it knows nothing of: a new agent may find 100,000 of them."""
PROBE_BYTES = 1 << 20
"""A write of this size must succeed before a node that stepped aside takes work again."""


@dataclass(slots=True)
class Chores:
    """One agent's life (`boot`). Every method may raise BrokerError or StorageError: try again.

    slots: how the slots are right now. placement: why they have their cores.
    orders: where the workers look for what they may do.
    reaped: names of worker processes that have ended, and how; None: they were asked to.
    by_hand: what the file in the home said last. held: all that keeps this node from taking work.
    usual: how many slots the settings say. most: how many there are with spare cores. use: how many
    are to run now, the first ones.
    """

    settings: config.Settings
    home: Home
    broker: Broker
    boot: str
    node_id: str
    slots: Callable[[], tuple[Slot, ...]]
    orders: Orders
    placement: str = ""
    usual: int = 0
    most: int = 0
    use: int = 0
    reaped: deque[tuple[str, Cause | None]] = field(default_factory=deque)
    ended: set[str] = field(default_factory=set)
    returned: bool = False
    roots: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    by_hand: Hold | None = None
    held: tuple[Hold, ...] = ()
    reported: tuple[Slot, ...] = ()
    steered: tuple[tuple[str, ...], tuple[int, ...]] = ((), ())
    next_look: float = 0.0
    next_steer: float = 0.0
    next_report: float = 0.0
    sensors: Sensors = field(init=False)

    def __post_init__(self) -> None:
        folders = {"home": self.settings.home, "state": self.settings.state_dir}
        self.sensors = Sensors(folders)

    def join(self) -> None:
        """Be this node from now on. Raises RejectError where another living one has its name."""
        self.look()
        self.orders.give(self.held)
        if HOME_ROOT in self.roots:
            with suppress(StorageError):  # cannot be written: heartbeats tell its name, too
                introduce(self.settings.home, self.settings.node)
        other = self.broker.presence.join(self.as_reported(self.slots()))
        if other is not None:
            raise name_taken(other, self.settings.node_file)

    def pulse(self) -> None:
        """Everything that must not wait: a few times a second."""
        changed = self.look()
        try:
            self.return_earlier()
            self.return_reaped()
            slots = self.slots()
            if not self.held:  # before the queues are taken: a hint that comes first would be left
                self.orders.give(())
            self.steer(slots)
        finally:
            # After the queues were left: a worker that has handed back would take the next hint.
            self.orders.give(self.held)
        self.report(slots, now=changed or slots != self.reported)

    def return_earlier(self) -> None:
        """At start: leases of this node's earlier life go back, nobody works on them any more."""
        if not self.returned:
            self._return(None, Cause.KILLED)
            self.returned = True

    def return_reaped(self) -> None:
        """Leases of worker processes that ended go back."""
        while self.reaped:
            self._return(*self.reaped[0])
            self.reaped.popleft()

    def _return(self, worker: str | None, cause: Cause | None) -> None:
        lost = lost_leases(self.broker, self.settings.node, self.boot, worker)
        count = return_leases(self.home.jobs, self.broker, lost, cause)
        if count:
            fields = {"action": "leases_returned", "worker": worker, "leases": count}
            log.warning("leases of a dead worker returned", extra=fields)
        if cause is not None:
            self.broker.tallies.add(of_lost(cause, count), self.settings.node)

    def look(self) -> bool:
        """See which roots are there, and what holds this node; True where that has changed."""
        if time.monotonic() < self.next_look:
            return False
        self.next_look = time.monotonic() + ROOTS_S
        before = (self.roots, self.away, self.held)
        try:
            self.roots, self.away = roots_now(self.settings)
        except RejectError as error:  # node.yml is being edited, or has a typing error
            fields = {"action": "settings_refused", "reason": str(error)}
            log.warning("settings not taken", extra=fields)
        self.by_hand = self.said_by_hand()
        holds = (why_aside(self.settings), self.by_hand)
        self.held = tuple(hold for hold in holds if hold is not None)
        return (self.roots, self.away, self.held) != before

    def said_by_hand(self) -> Hold | None:
        """What the home's file says now; while the home is away, what it said last."""
        if HOME_ROOT not in self.roots:
            return self.by_hand
        try:
            return hold_of(self.settings.home, self.settings.node)
        except StorageError:
            return self.by_hand

    def steer(self, slots: tuple[Slot, ...]) -> None:
        """Tell workers whose queues to take from: those of the roots that are there, if any."""
        taken = () if self.held else self.roots
        ready = tuple(slot.pid for slot in slots if slot.state == "ready")
        if (taken, ready) == self.steered and time.monotonic() < self.next_steer:
            return
        # Said again now and then: a worker that was reconnecting has not heard it.
        self.next_steer = time.monotonic() + STEER_S
        workers = [f"{slot_name(slot.number)}@{self.settings.node}" for slot in slots]
        gone = {*self.steered[0], *self.roots, *self.away} - {*taken}
        app = create_celery(self.broker.url, patient=False)  # the next pulse tries again
        steer(app, workers, take=queue_names(taken), leave=queue_names(gone))
        self.steered = (taken, ready)

    def report(self, slots: tuple[Slot, ...], *, now: bool) -> None:
        """The heartbeat."""
        if not now and time.monotonic() < self.next_report:
            return
        self.next_report = time.monotonic() + REPORT_S
        told = self.broker.deadlines.slots()
        self.use = min(self.most, told.get(self.settings.node, self.usual))
        self.reported = slots
        self.sensors.look()
        self.broker.presence.report(self.as_reported(slots))

    def as_reported(self, slots: tuple[Slot, ...]) -> NodeReport:
        return NodeReport(
            node=self.settings.node,
            boot=self.boot,
            version=nasfarm.__version__,
            pid=os.getpid(),
            roots=self.roots,
            away=self.away,
            paused=sentence(self.held),
            placement=self.placement,
            slots=slots,
            node_id=self.node_id,
            vnni=has_vnni(),
            held=self.held,
            disks=self.sensors.disks,
            temperature_c=self.sensors.temperature_c,
            usual=self.usual,
            most=self.most,
        )

    def reconcile(self) -> None:
        """One pass, where no other node's agent is the one that does it."""
        if not self.broker.leases.lead(self.boot, self.settings.reconcile_s * 3):
            return
        mended = reconcile(self.home, self.broker, self.ended, LOOK_S)
        if mended.hints:
            fields = {"action": "reconciled", "jobs": mended.jobs, "hints": mended.hints}
            log.info("hinted again", extra=fields)
        keep_deadlines(self.home, self.broker)


def why_aside(settings: config.Settings) -> Hold | None:
    """Why this node cannot write to the home; None once it can again, which a write proves."""
    path = aside_file(settings.state_dir)
    try:
        reason, since_s = path.read_text(), path.stat().st_mtime
    except FileNotFoundError:
        return None
    try:
        write_file(settings.jobs_folder / f".probe-{settings.node}", b"0" * PROBE_BYTES)
    except StorageError as error:
        return Hold("storage", since_s, f"{error} It goes on by itself then.")
    (settings.jobs_folder / f".probe-{settings.node}").unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    fields = {"action": "rejoined", "reason": reason}
    log.info("the home can be written again", extra=fields)
    return None


def roots_now(settings: config.Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of this node's roots as node.yml has them now: those that are there, those away."""
    roots = config.load(settings.home, os.environ).roots
    known = known_roots(settings.state_dir, roots)
    here = tuple(sorted(root.name for root in known if present(root)))
    return here, tuple(sorted(set(roots) - set(here)))
