"""A slot's number to its Celery worker, which runs until it is told to stop."""

from __future__ import annotations

import logging
import os

from celery.signals import worker_ready

from nasfarm import config
from nasfarm.core.items import HOME_ROOT
from nasfarm.plan.chunks import queue_names
from nasfarm_workers.app import SlotRun, create_app
from nasfarm_workers.chores import roots_now
from nasfarm_workers.slots import ready_file, slot_name


def run_slot(settings: config.Settings, slot: int, boot: str, broker_url: str) -> None:
    """Be the worker process of a slot; the cores are those this process is pinned to."""
    cores = len(os.sched_getaffinity(0))
    # Celery says of every hint that it came and went; the task itself says more, once.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    app = create_app(settings, SlotRun(slot, cores, boot, broker_url))

    @worker_ready.connect(weak=False)
    def ready(**_: object) -> None:
        ready_file(settings.state_dir, slot).write_text(str(os.getpid()))

    here, _away = roots_now(settings)
    app.worker_main(
        [
            "worker",
            # prefork, not solo: a native crash or a SIGQUIT costs the child, not the chunk's fate.
            "--pool=prefork",
            "--concurrency=1",
            f"--hostname={slot_name(slot)}@{settings.node}",
            f"--queues={','.join(queue_names(here or (HOME_ROOT,)))}",
            "--without-gossip",
            "--without-mingle",
            "--task-events",
        ]
    )
