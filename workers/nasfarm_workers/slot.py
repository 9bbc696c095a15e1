"""A slot's number to its Celery worker, which runs until it is told to stop."""

from __future__ import annotations

import logging
import os
from threading import Thread
from typing import Any

from celery.signals import worker_ready, worker_shutting_down

from nasfarm import config
from nasfarm.nodes.memory import confine, fair_share
from nasfarm.plan.chunks import queue_names
from nasfarm_workers.app import SlotRun, create_app
from nasfarm_workers.chores import roots_now
from nasfarm_workers.orders import Orders
from nasfarm_workers.slots import cgroup_name, ready_file, slot_name

NO_HINTS = "farm.none"
"""The queue of a worker that may take from no other yet: Celery wants one. Nothing is put there."""


def run_slot(settings: config.Settings, slot: int, slots: int, boot: str, broker_url: str) -> None:
    """Be the worker process of one of `slots` slots, on the cores this process is pinned to."""
    cores = len(os.sched_getaffinity(0))
    # Celery says of every hint that it came and went; the task itself says more, once.
    # It names each queue that it leaves, again and again while the node is held.
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.worker.consumer.consumer"):
        logging.getLogger(name).setLevel(logging.WARNING)
    most_bytes = settings.slot_memory_mb * 2**20 if settings.slot_memory_mb else fair_share(slots)
    cap = confine(cgroup_name(settings.state_dir, slot), most_bytes)
    orders = Orders.of(settings.state_dir)
    app = create_app(settings, SlotRun(slot, cores, boot, broker_url, cap, orders))

    @worker_ready.connect(weak=False)
    def ready(sender: Any, **_: object) -> None:
        ready_file(settings.state_dir, slot).write_text(str(os.getpid()))

        @worker_shutting_down.connect(weak=False)
        def wake(**_: object) -> None:
            """Celery looks whether it has to stop when something comes in, else once a second."""
            Thread(target=sender.hub.call_soon, args=(int,)).start()

    here, _away = roots_now(settings) if orders.take_work() else ((), ())
    app.worker_main(
        [
            "worker",
            # prefork, not solo: a native crash or a SIGQUIT costs the child, not the chunk's fate.
            "--pool=prefork",
            "--concurrency=1",
            f"--hostname={slot_name(slot)}@{settings.node}",
            f"--queues={','.join(queue_names(here)) or NO_HINTS}",
            "--without-gossip",
            "--without-mingle",
            "--task-events",
        ]
    )
