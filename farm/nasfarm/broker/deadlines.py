"""What deadlines ask of nodes, from whoever reconciles to every node and to whoever looks."""

from __future__ import annotations

from collections.abc import Mapping

import redis

from nasfarm.broker.connection import broker_errors

_SLOTS, _SOONEST = "farm:deadline:slots", "farm:deadline:soonest"


class Deadlines:
    """What was said last of slots and ends of jobs. Lost, it is said anew. Raises BrokerError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def tell(self, slots: Mapping[str, int], soonest: Mapping[str, float], for_s: int) -> None:
        """Have these nodes use so many slots, and all others their usual ones.

        soonest: job → when it would be done with every slot there is, in seconds since 1970.
        for_s: not told again within so many seconds, all of it is forgotten.
        """
        with broker_errors(), self._client.pipeline() as pipe:
            for key, said in ((_SLOTS, slots), (_SOONEST, soonest)):
                pipe.delete(key)
                for name, number in said.items():
                    pipe.hset(key, name, number)
                pipe.expire(key, for_s)
            pipe.execute()

    def slots(self) -> dict[str, int]:
        """How many slots nodes are to use; one that is not among them uses its usual ones."""
        with broker_errors():
            said = self._client.hgetall(_SLOTS)
        return {str(node): int(count) for node, count in said.items()}

    def soonest_s(self, job_id: str) -> float | None:
        """When a job would be done with every slot there is; None where nobody knows."""
        with broker_errors():
            said = self._client.hget(_SOONEST, job_id)
        return float(str(said)) if said is not None else None
