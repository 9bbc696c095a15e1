"""Hints into the queues, and which hints are waiting there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import redis

from nasfarm.broker.connection import broker_errors
from nasfarm.core.leases import REDUCE, Hint
from nasfarm.errors import BrokerError

if TYPE_CHECKING:
    from celery import Celery

CHUNK_TASK = "farm.chunk"
"""Name of the task that runs one chunk (or, as chunk −1, the reduce step)."""


class Hints:
    """The queues. Losing or doubling a hint is harmless. Raises BrokerError."""

    def __init__(self, app: Celery, client: redis.Redis) -> None:
        self._app = app
        self._client = client

    def send(self, hints: Iterable[Hint]) -> int:
        """Put hints into their queues; returns how many."""
        from kombu.exceptions import OperationalError

        count = 0
        try:
            with self._app.producer_or_acquire() as producer:
                for hint in hints:
                    self._app.send_task(
                        CHUNK_TASK,
                        args=[hint.job_id, hint.chunk],
                        queue=hint.queue,
                        task_id=chunk_id(hint.job_id, hint.chunk),
                        shadow=task_name(hint),
                        headers={"argsrepr": about(hint)},  # as an option it would be sent twice
                        producer=producer,
                        retry=True,
                        retry_policy={"max_retries": 3, "interval_start": 0.1},
                    )
                    count += 1
        except (OperationalError, redis.RedisError, OSError) as error:
            raise BrokerError(
                f"the broker takes no hints ({error}). Start it with: farm up"
            ) from error
        return count

    def waiting(self, queue: str) -> set[tuple[str, int]]:
        """(job, chunk) of every hint in a queue. Queues are short: hints are bounded."""
        with broker_errors():
            messages = self._client.lrange(queue, 0, -1)
        return {named for message in messages if (named := _named(str(message))) is not None}


class Waiting:
    """What waits in the queues, each read once, when first asked for: for a pass over many jobs.

    read: queue → (job, chunk) of every hint in it.
    """

    def __init__(self, read: Callable[[str], set[tuple[str, int]]]) -> None:
        self._read = read
        self._queues: dict[str, dict[str, set[int]]] = {}

    def of(self, queue: str, job_id: str) -> set[int]:
        """A job's chunks that wait in a queue. Raises what `read` raises."""
        if queue not in self._queues:
            jobs: dict[str, set[int]] = {}
            for named, chunk in self._read(queue):
                jobs.setdefault(named, set()).add(chunk)
            self._queues[queue] = jobs
        return self._queues[queue].get(job_id, set())


def chunk_id(job_id: str, chunk: int) -> str:
    """By which a waiting hint is known, whatever else it says: `<job>.<chunk>`."""
    return f"{job_id}.{chunk}"


def task_name(hint: Hint) -> str | None:
    """What Flower calls the task: by the recipe, so there are few of them; None: by CHUNK_TASK."""
    if not hint.recipe:
        return None
    return f"{hint.recipe} · results" if hint.chunk == REDUCE else hint.recipe


def about(hint: Hint) -> str:
    """What Flower shows as the task's arguments, e.g. `32 images · job detect-… · chunk 5`."""
    images = f"{hint.images} image{'' if hint.images == 1 else 's'} · " if hint.images else ""
    chunk = "" if hint.chunk == REDUCE else f" · chunk {hint.chunk}"
    return f"{images}job {hint.job_id}{chunk}"


def _named(message: str) -> tuple[str, int] | None:
    """The job and chunk a queue message names; None where it is no hint of ours."""
    try:
        job_id, _, chunk = json.loads(message)["headers"]["id"].rpartition(".")
        return job_id, int(chunk)
    except (ValueError, KeyError, TypeError):
        return None
