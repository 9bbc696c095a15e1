"""The node agent: cores → slots → pinned worker processes, kept running until it has to stop."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nasfarm import config
from nasfarm.broker.client import Broker
from nasfarm.core.lease_rules import Cause
from nasfarm.errors import FarmError, RetryError
from nasfarm.home import Home
from nasfarm.nodes.cores import Wanted, place_here
from nasfarm.nodes.identity import node_id
from nasfarm.nodes.memory import release
from nasfarm.nodes.supervisor import Child, Exit, Supervisor
from nasfarm.storage.locked import sole
from nasfarm_workers.chores import Chores
from nasfarm_workers.orders import Orders
from nasfarm_workers.slots import cgroup_name, ready_file, slot_child, slot_states
from nasfarm_workers.tuning.machine import tuning_for

log = logging.getLogger(__name__)

PULSE_S = 0.2


def run_agent(settings: config.Settings, home: Home, broker: Broker) -> None:
    """Be this node's agent; returns after SIGTERM or SIGINT. Raises RejectError at start only."""
    with sole(settings.state_dir / "run" / "agent.pid", "a node agent"):
        keep_slots(settings, home, broker)


def keep_slots(settings: config.Settings, home: Home, broker: Broker) -> None:
    """Run a worker process a slot, and the chores beside them, until a signal."""
    boot = uuid.uuid4().hex[:8]
    wanted = wanted_here(settings)
    placed = place_here(wanted)
    usual = len(placed.slots)
    cores = placed.slots + spare_slots(wanted, usual)
    children = [
        slot_child(
            number,
            max(usual, number + 1),
            group,
            boot,
            settings.home,
            settings.state_dir,
            settings.grace_s,
        )
        for number, group in enumerate(cores)
    ]
    fresh_folder(settings.state_dir / "run" / "tmp")
    for number in range(len(cores)):
        ready_file(settings.state_dir, number).unlink(missing_ok=True)

    def reap(child: Child, ended: Exit) -> None:
        asked = ended.retry_s is None
        chores.reaped.append((f"{child.name}.{ended.pid}", None if asked else Cause.KILLED))

    supervisor = Supervisor(
        children[:usual], on_exit=reap, tick=lambda: fit(supervisor, children, chores.use)
    )
    chores = Chores(
        settings, home, broker, boot, node_id(settings.state_dir),
        slots=lambda: slot_states(cores[: chores.use], supervisor.pids(), settings.state_dir),
        orders=Orders.of(settings.state_dir),
        placement=placed.why, usual=usual, most=len(cores), use=usual,
    )  # fmt: skip
    take_name(chores)
    with beside(chores.pulse, PULSE_S), beside(chores.reconcile, settings.reconcile_s):
        supervisor.run()
    with contextlib.suppress(FarmError):
        chores.return_reaped()
        broker.presence.leave(settings.node)
    for number in range(len(cores)):
        release(cgroup_name(settings.state_dir, number))


def spare_slots(wanted: Wanted, usual: int) -> tuple[tuple[int, ...], ...]:
    """Slots on the cores that are left to the NAS itself, for when a job would be late without."""
    if wanted.slots is not None or not wanted.spare:
        return ()
    return place_here(replace(wanted, spare=0)).slots[usual:]


def fit(supervisor: Supervisor, children: Sequence[Child], use: int) -> None:
    """Have the first `use` of the workers run and no other; one that goes ends its chunk first."""
    kept = supervisor.names()
    for child in children[:use]:
        if child.name not in kept:
            supervisor.add(child)
    for child in children[use:]:
        supervisor.remove(child.name)


def wanted_here(settings: config.Settings) -> Wanted:
    """What the settings say, and what `farm tune` has found where they say nothing."""
    wanted = settings.cores_wanted
    tuning = tuning_for(settings.state_dir)
    if not tuning or settings.slots or settings.cores_per_slot:
        return wanted
    as_then = tuning.cores == len(place_here(wanted).slots)
    return replace(wanted, cores_per_slot=tuning.threads) if as_then else wanted


def take_name(chores: Chores) -> None:
    """Wait for the broker and be this node; nothing runs before. Raises RejectError: name taken."""
    while True:
        try:
            return chores.join()
        except RetryError as error:
            fields = {"action": "join_failed", "reason": str(error)}
            log.warning("cannot join the farm, trying again", extra=fields)
            time.sleep(0.5)


def fresh_folder(folder: Path) -> None:
    """Empty the folder for temporary files: nobody of an earlier life is left to need them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


@contextlib.contextmanager
def beside(chore: Callable[[], None], pause_s: float) -> Iterator[None]:
    """Do a chore again and again in a thread of its own, until the block is left."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            try:
                chore()
            except FarmError as error:  # broker or share away: the next turn tries again
                fields = {"action": "chore_failed", "reason": str(error)}
                log.warning("cannot go on, trying again", extra=fields)
                stop.wait(1.0)
            stop.wait(pause_s)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
