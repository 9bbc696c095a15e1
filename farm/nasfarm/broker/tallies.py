"""Tallies into Redis and out again: one a node, and one of what is done for the whole farm."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import redis

from nasfarm.broker.connection import broker_errors
from nasfarm.core.tallies import Tally
from nasfarm.errors import BrokerError

FARM = ""
"""Stands for the whole farm where a node is named: what its one leading watcher does."""

KEPT_S = 7 * 86_400
"""The tally of a node that is gone goes after so long."""

_GAP = "\t"


def _key(node: str) -> str:
    return f"farm:tally:{node}" if node else "farm:tally"


class Tallies:
    """What was done, added up since the broker's state began.

    client: one that does not send anything a second time.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def add(self, tally: Tally, node: str = FARM) -> None:
        """Count it, all or nothing, in one round trip.

        Lost where the broker does not answer: no work waits for it, and sent again it might count
        twice.
        """
        if not tally.counts:
            return
        with suppress(BrokerError), broker_errors(), self._client.pipeline() as pipe:
            for name, number in tally.counts.items():
                pipe.hincrby(_key(node), _GAP.join(name), number)
            pipe.expire(_key(node), KEPT_S)
            pipe.execute()

    def of(self, nodes: Sequence[str]) -> list[Tally]:
        """Each node's tally, in their order; empty where there is none. Raises BrokerError."""
        with broker_errors(), self._client.pipeline(transaction=False) as pipe:
            for node in nodes:
                pipe.hgetall(_key(node))
            found = pipe.execute()
        return [
            Tally({tuple(name.split(_GAP)): int(number) for name, number in counts.items()})
            for counts in found
        ]
