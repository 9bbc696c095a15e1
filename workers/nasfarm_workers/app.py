"""Settings and a slot to the Celery app of one pinned worker process."""

from __future__ import annotations

import faulthandler
import logging
import mmap
import os
import signal
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
from celery import Celery
from celery.signals import (
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)

from nasfarm import config, reconcile
from nasfarm import log as log_setup
from nasfarm.broker.celery_app import create_celery
from nasfarm.broker.client import Broker
from nasfarm.broker.steering import be_steered
from nasfarm.broker.told import tell_progress
from nasfarm.core.leases import REDUCE
from nasfarm.core.tallies import of_lost
from nasfarm.errors import FarmError, RejectError, StorageError
from nasfarm.jobs.store import JobStore
from nasfarm.nodes.grace import of_work
from nasfarm.nodes.memory import MemoryCap
from nasfarm.nodes.process import die_with_parent
from nasfarm.nodes.roots import known_roots, present
from nasfarm.registry.store import ModelStore
from nasfarm.storage.mounts import probe
from nasfarm_workers import tasks
from nasfarm_workers.deaths import cause_of
from nasfarm_workers.orders import Orders
from nasfarm_workers.progress import Tell
from nasfarm_workers.runtime.session_cache import SessionCache
from nasfarm_workers.slots import aside_file, log_tail, slot_name
from nasfarm_workers.tuning.machine import tuning_for
from nasfarm_workers.worker import Worker, model_loader

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SlotRun:
    """One life of one slot's process: its number, how many cores, and the agent's life.

    orders: what the agent says now.
    stop_at: eight bytes shared by the pool's parent and child: when the child must have handed
    back its chunk, on the monotonic clock, which is the same in both; 0: it need not.
    """

    slot: int
    cores: int
    boot: str
    broker_url: str
    cap: MemoryCap
    orders: Orders
    stop_at: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 8))

    @property
    def name(self) -> str:
        return slot_name(self.slot)

    def ask_to_stop(self, grace_s: float) -> None:
        """In the parent."""
        struct.pack_into("d", self.stop_at, 0, time.monotonic() + of_work(grace_s))

    def must_stop(self) -> bool:
        """In the child: at each step of its work."""
        if self.orders.hand_back():
            return True
        (at,) = struct.unpack_from("d", self.stop_at, 0)
        return bool(at) and time.monotonic() >= at


def create_app(settings: config.Settings, run: SlotRun) -> Celery:
    """The app of one worker process. Nothing connects before it starts."""
    app = create_celery(run.broker_url)
    made: list[Worker] = []
    oom_seen = [run.cap.oom_kills()]

    def worker() -> Worker:
        if not made:
            tell = partial(tell_progress, app, f"{run.name}@{settings.node}")
            made.append(create_worker(settings, run, tell))
        return made[0]

    def lost(job_id: str, chunk: int, said: str) -> None:
        kills = run.cap.oom_kills()
        out_of_memory, oom_seen[0] = kills > oom_seen[0], kills
        return_lost(settings, run, job_id, chunk, said, out_of_memory=out_of_memory)

    @worker_process_init.connect(weak=False)
    def settle_in(**_: object) -> None:
        # The pool's child would outlive a kill -9 of its parent and keep the core.
        die_with_parent(death_signal=signal.SIGKILL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends a step that takes too long
        faulthandler.enable()
        run.cap.limit_self()
        log_setup.setup(settings.log_level, settings.logs_folder / f"{run.name}.jsonl")
        cv2.setNumThreads(1)  # a resize is too short to be shared

    @worker_process_shutdown.connect(weak=False)
    def go(exitcode: int, **_: object) -> None:
        """At once: billiard would sleep for a second, for news that its parent never reads."""
        os._exit(exitcode)

    @worker_shutting_down.connect(weak=False)
    def ask(**_: object) -> None:
        run.ask_to_stop(settings.grace_s)

    @setup_logging.connect(weak=False)
    def keep_ours(**_: object) -> None:
        """Celery must not replace the log handlers."""

    tasks.register(app, worker, lost)
    be_steered()
    return app


def create_worker(settings: config.Settings, run: SlotRun, tell: Tell) -> Worker:
    """What the pool's child has at hand. `name` holds the process id of the pool's parent.

    Raises StorageError: the home is away or cannot be written.
    """
    store = ModelStore(settings.models_folder)
    tuning = tuning_for(settings.state_dir)
    loader = model_loader(store, settings.local_models, run.cores, tuning)
    roots = watched_roots(settings)
    return Worker(
        jobs=JobStore(settings.jobs_folder),
        roots=roots,
        present=lambda name: root_present(settings, roots(), name),
        links=takes_links(settings),
        broker=Broker(run.broker_url, settings.lease_s),
        models=SessionCache(loader),
        node=settings.node,
        boot=run.boot,
        name=f"{run.name}.{os.getppid()}",
        image_limit_mp=settings.image_limit_mp,
        image_timeout_s=settings.image_timeout_s,
        must_stop=run.must_stop,
        takes_work=run.orders.take_work,
        step_aside=lambda reason: step_aside(settings, reason),
        tell=tell,
    )


def takes_links(settings: config.Settings) -> bool:
    """Whether the home takes hard links. Raises StorageError; then this node has stepped aside."""
    try:
        return probe(settings.jobs_folder).links
    except StorageError as error:
        step_aside(settings, str(error))
        raise


def watched_roots(settings: config.Settings) -> Callable[[], Mapping[str, Path]]:
    """This node's roots, read anew when node.yml has changed."""
    seen: tuple[float, Mapping[str, Path]] = (-1.0, settings.roots)

    def roots() -> Mapping[str, Path]:
        nonlocal seen
        try:
            changed = settings.node_file.stat().st_mtime
        except FileNotFoundError:
            changed = 0.0
        if changed != seen[0]:
            try:
                seen = (changed, config.load(settings.home, os.environ).roots)
            except (
                RejectError
            ) as error:  # being edited, or a typing error: the last good ones count
                seen = (changed, seen[1])
                fields = {"action": "settings_refused", "reason": str(error)}
                log.warning("settings not taken", extra=fields)
        return seen[1]

    return roots


def root_present(settings: config.Settings, roots: Mapping[str, Path], name: str) -> bool:
    """Whether a root's disk or share is there, by its sentinel."""
    known = known_roots(settings.state_dir, roots)
    return any(present(root) for root in known if root.name == name)


def step_aside(settings: config.Settings, reason: str) -> None:
    """Have the node's agent take no more work until the home can be written again."""
    path = aside_file(settings.state_dir)
    path.write_text(reason)


def return_lost(
    settings: config.Settings, run: SlotRun, job_id: str, chunk: int, said: str, *,
    out_of_memory: bool,
) -> None:  # fmt: skip
    """In the pool's parent: its child died, so the lease it held can go back at once."""
    broker = Broker(run.broker_url, settings.lease_s)
    name = f"{run.name}.{os.getpid()}"
    cause, word = cause_of(said, out_of_memory=out_of_memory)
    tail = log_tail(settings.logs_folder / f"{run.name}.log")
    try:
        held = broker.leases.held(job_id)
        # A worker that has finished a job's last chunk goes on with its reduce step.
        its = (lease for lease in held if lease.chunk in (chunk, REDUCE))
        mine = [lease for lease in its if lease.held.worker == name]
        jobs = JobStore(settings.jobs_folder)
        lost = reconcile.return_leases(jobs, broker, mine, cause, f"{word}\n{tail}".strip())
        broker.tallies.add(of_lost(cause, lost), settings.node)
    except FarmError as error:
        fields = {"action": "return_failed", "reason": str(error)}
        log.warning("lease runs out by itself", extra=fields)
