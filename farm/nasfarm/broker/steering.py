"""Which queues running workers take hints from, changed while they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nasfarm.broker.connection import broker_errors

if TYPE_CHECKING:
    from celery import Celery


def consume(app: Celery, workers: Sequence[str], queues: Sequence[str]) -> None:
    """Make `workers` take from `queues`; one they take from already is left. Raises BrokerError."""
    _tell(app, "add_consumer", workers, queues)


def leave(app: Celery, workers: Sequence[str], queues: Sequence[str]) -> None:
    """Make `workers` leave `queues` alone: their root is away. Raises BrokerError."""
    _tell(app, "cancel_consumer", workers, queues)


def _tell(app: Celery, what: str, workers: Sequence[str], queues: Sequence[str]) -> None:
    from kombu.exceptions import OperationalError

    from nasfarm.errors import BrokerError

    for queue in queues:
        try:
            with broker_errors():
                getattr(app.control, what)(queue, destination=list(workers), reply=False)
        except OperationalError as error:
            raise BrokerError(f"the broker does not answer ({error})") from error
