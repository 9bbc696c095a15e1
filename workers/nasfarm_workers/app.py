"""Settings and a slot to the Celery app of one pinned worker process."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
from celery import Celery
from celery.signals import setup_logging, worker_process_init

from nasfarm import config, reconcile
from nasfarm import log as log_setup
from nasfarm.broker.celery_app import create_celery
from nasfarm.broker.client import Broker
from nasfarm.errors import BrokerError
from nasfarm.jobs.store import JobStore
from nasfarm.nodes.process import die_with_parent
from nasfarm.registry.store import ModelStore
from nasfarm_workers import tasks
from nasfarm_workers.runtime.session_cache import SessionCache
from nasfarm_workers.slots import slot_name
from nasfarm_workers.worker import Worker, model_loader

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SlotRun:
    """One life of one slot's process: its number, how many cores, and the agent's life."""

    slot: int
    cores: int
    boot: str
    broker_url: str

    @property
    def name(self) -> str:
        return slot_name(self.slot)


def create_app(settings: config.Settings, run: SlotRun) -> Celery:
    """The app of one worker process. Nothing connects before it starts."""
    app = create_celery(run.broker_url)
    made: list[Worker] = []

    def worker() -> Worker:
        if not made:
            made.append(create_worker(settings, run))
        return made[0]

    def lost(job_id: str, chunk: int) -> None:
        return_lost(settings, run, job_id, chunk)

    @worker_process_init.connect(weak=False)
    def leash(**_: object) -> None:
        # The pool's child would outlive a kill -9 of its parent and keep the core.
        die_with_parent(death_signal=signal.SIGKILL)
        log_setup.setup(settings.log_level, settings.logs_folder / f"{run.name}.jsonl")
        cv2.setNumThreads(run.cores)

    @setup_logging.connect(weak=False)
    def keep_ours(**_: object) -> None:
        """Celery must not replace the log handlers."""

    tasks.register(app, worker, lost)
    return app


def create_worker(settings: config.Settings, run: SlotRun) -> Worker:
    """What the pool's child has at hand. `name` holds the process id of the pool's parent."""
    store = ModelStore(settings.models_folder)
    loader = model_loader(store, settings.local_models, run.cores)
    return Worker(
        jobs=JobStore(settings.jobs_folder),
        roots=watched_roots(settings),
        broker=Broker(run.broker_url, settings.lease_s),
        models=SessionCache(loader),
        node=settings.node,
        boot=run.boot,
        name=f"{run.name}.{os.getppid()}",
        image_limit_mp=settings.image_limit_mp,
    )


def watched_roots(settings: config.Settings) -> Callable[[], Mapping[str, Path]]:
    """This node's roots, read anew when node.yml has changed."""
    seen: tuple[float, Mapping[str, Path]] = (-1.0, {})

    def roots() -> Mapping[str, Path]:
        nonlocal seen
        try:
            changed = settings.node_file.stat().st_mtime
        except FileNotFoundError:
            changed = 0.0
        if changed != seen[0]:
            seen = (changed, config.load(settings.home, os.environ).roots)
        return seen[1]

    return roots


def return_lost(settings: config.Settings, run: SlotRun, job_id: str, chunk: int) -> None:
    """In the pool's parent: its child died, so the lease it held can go back at once."""
    broker = Broker(run.broker_url, settings.lease_s)
    name = f"{run.name}.{os.getpid()}"
    try:
        held = broker.leases.held(job_id)
        mine = [lease for lease in held if lease.chunk == chunk and lease.worker == name]
        reconcile.return_leases(JobStore(settings.jobs_folder), broker, mine)
    except BrokerError as error:
        log.warning(
            "lease runs out by itself", extra={"action": "return_failed", "reason": str(error)}
        )
