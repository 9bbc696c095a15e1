"""What Redis itself tells of the farm's state now: queues, memory, clock. Reads only."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from nasfarm.broker.connection import broker_errors


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

    def used_bytes(self) -> int:
        """Memory that the broker's content takes."""
        with broker_errors():
            return int(self._client.info("memory")["used_memory"])

    def now_s(self) -> float:
        """The broker's clock, in seconds since 1970."""
        with broker_errors():
            seconds, micros = self._client.time()
        return float(seconds) + float(micros) / 1e6
