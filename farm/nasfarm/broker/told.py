"""How far a worker is with its chunk, to whoever listens to Celery's events: Flower, for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasfarm.broker.connection import broker_errors
from nasfarm.broker.hints import chunk_id
from nasfarm.core.leases import Lease
from nasfarm.errors import BrokerError

if TYPE_CHECKING:
    from celery import Celery

PROGRESS = "task-progress"
"""Type of the event. Beside what each event has it carries `done` and `images`, and the same in
words as `result`: there Flower has a column for it."""


def tell_progress(app: Celery, worker: str, lease: Lease, done: int, images: int) -> None:
    """Say that `done` of a leased chunk's `images` are done; nobody need be listening.

    worker: its name in Celery, `slot0@nas`. Raises BrokerError.
    """
    from kombu.exceptions import OperationalError

    task, said = chunk_id(lease.job_id, lease.chunk), f"{done} of {images} images"
    try:
        with broker_errors(), app.events.default_dispatcher(hostname=worker) as events:
            events.send(PROGRESS, uuid=task, done=done, images=images, result=said)
    except (OperationalError, OSError) as error:
        raise BrokerError(f"the broker takes no events ({error})") from error
