"""What Redis itself tells of the farm's state now: queues, live jobs, memory, clock. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from nasfarm.broker.connection import broker_errors


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A live job: whether a worker has begun it, and how many of its items have no line yet."""

    started: bool
    waiting: int


class Readings:
    """One round trip each, however much there is. Raises BrokerError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def depths(self, queues: Sequence[str]) -> list[int]:
        """How many hints wait in each queue, in their order."""
        with broker_errors(), self._client.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.llen(queue)
            return [int(depth) for depth in pipe.execute()]

    def jobs(self, job_ids: Sequence[str]) -> list[LiveJob]:
        """Those of these jobs that are live."""
        with broker_errors(), self._client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hmget(f"farm:job:{job_id}", ["chunks", "started_ms", "items", "ok", "errors"])
            found = pipe.execute()
        jobs = [[int(text or 0) for text in texts] for texts in found if texts[0] is not None]
        return [
            LiveJob(bool(started), max(0, items - ok - errors))
            for _, started, items, ok, errors in jobs
        ]

    def used_bytes(self) -> int:
        """Memory that the broker's content takes."""
        with broker_errors():
            return int(self._client.info("memory")["used_memory"])

    def now_s(self) -> float:
        """The broker's clock, in seconds since 1970."""
        with broker_errors():
            seconds, micros = self._client.time()
        return float(seconds) + float(micros) / 1e6
