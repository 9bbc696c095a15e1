"""Which queues running workers take hints from, changed while they run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from nasfarm.broker.connection import broker_errors

if TYPE_CHECKING:
    from celery import Celery

COMMAND = "farm_steer"


def steer(
    app: Celery, workers: Sequence[str], *, take: Sequence[str], leave: Sequence[str]
) -> None:
    """Make `workers` take from the queues `take` and leave those of `leave`. Raises BrokerError.

    All in one message: after the first queue of several, a worker would wait a second for hints in
    that one alone. Celery's own commands name one each.
    """
    from kombu.exceptions import OperationalError

    from nasfarm.errors import BrokerError

    queues = {"take": list(take), "leave": list(leave)}
    try:
        with broker_errors():
            app.control.broadcast(COMMAND, arguments=queues, destination=list(workers))
    except OperationalError as error:
        raise BrokerError(f"the broker does not answer ({error})") from error


def be_steered() -> None:
    """In a worker, before it starts: do what `steer` says."""
    from celery.worker.control import control_command

    @control_command(name=COMMAND)  # type: ignore[untyped-decorator]
    def follow(state: Any, take: list[str], leave: list[str], **_: object) -> None:
        state.consumer.call_soon(partial(_follow, state.consumer, take, leave))


def _follow(consumer: Any, take: list[str], leave: list[str]) -> None:
    for queue in leave:
        if consumer.task_consumer.consuming_from(queue):
            consumer.cancel_task_queue(queue)
    for queue in take:
        consumer.add_task_queue(queue)  # leaves one that it takes from already
