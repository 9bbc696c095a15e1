"""A slot's number to its Celery worker, which runs until it is told to stop."""

from __future__ import annotations

import logging
import os
from threading import Thread
from typing import Any

from celery.signals import worker_ready, worker_shutting_down

from nasfarm import config
from nasfarm.core.items import HOME_ROOT
from nasfarm.nodes.memory import confine, fair_share
from nasfarm.plan.chunks import queue_names
from nasfarm_workers.app import SlotRun, create_app
from nasfarm_workers.chores import roots_now
from nasfarm_workers.slots import cgroup_name, ready_file, slot_name


def run_slot(settings: config.Settings, slot: int, slots: int, boot: str, broker_url: str) -> None:
    """Be the worker process of one of `slots` slots, on the cores this process is pinned to."""
    cores = len(os.sched_getaffinity(0))
    # Celery says of every hint that it came and went; the task itself says more, once.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    most_bytes = settings.slot_memory_mb * 2**20 if settings.slot_memory_mb else fair_share(slots)
    cap = confine(cgroup_name(settings.state_dir, slot), most_bytes)
    app = create_app(settings, SlotRun(slot, cores, boot, broker_url, cap))

    @worker_ready.connect(weak=False)
    def ready(sender: Any, **_: object) -> None:
        ready_file(settings.state_dir, slot).write_text(str(os.getpid()))

        @worker_shutting_down.connect(weak=False)
        def wake(**_: object) -> None:
            """Celery looks whether it has to stop when something comes in, else once a second."""
            Thread(target=sender.hub.call_soon, args=(int,)).start()

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
