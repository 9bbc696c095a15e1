"""Heartbeats: each node's report into Redis and out again, with its age on Redis' clock."""

from __future__ import annotations

from dataclasses import replace

import redis

from nasfarm.broker.connection import broker_errors
from nasfarm.core import wire
from nasfarm.core.nodes import NodeReport
from nasfarm.errors import RejectError

ALIVE_S = 15
"""A node that has not reported for so long is away."""


AWAY_S = 7 * 86_400
"""A node that has not reported for so long is not missed any more."""


def _heard(name: str) -> str:
    return f"farm:heard:{name}"


def _node(name: str) -> str:
    return f"farm:node:{name}"


class Presence:
    """Which nodes are there. Raises BrokerError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def join(self, report: NodeReport) -> NodeReport | None:
        """Report for the first time, or learn of the living node that has the name already."""
        key, content = _node(report.node), wire.encode(report)
        with broker_errors():  # of two that come at once, one gets the name
            mine = self._client.set(key, content, px=ALIVE_S * 1000, nx=True)
        other = None if mine else self.namesake(report.node, report.node_id)
        if other is None:
            self.report(report)
        return other

    def namesake(self, node: str, node_id: str) -> NodeReport | None:
        """The living node of this name that is another one."""
        named = (report for report in self.alive() if report.node == node)
        return next((other for other in named if other.node_id not in ("", node_id)), None)

    def report(self, report: NodeReport) -> None:
        """Say that a node is alive, and how."""
        with broker_errors(), self._client.pipeline() as pipe:
            pipe.set(_node(report.node), wire.encode(report), px=ALIVE_S * 1000)
            pipe.set(_heard(report.node), "1", ex=AWAY_S)
            pipe.sadd("farm:nodes", report.node)
            pipe.execute()

    def leave(self, node: str) -> None:
        """A node goes in good order."""
        with broker_errors():
            self._client.delete(_node(node))
            self._client.srem("farm:nodes", node)

    def known(self) -> set[str]:
        """Names of all nodes that ever reported and did not leave."""
        with broker_errors():
            return {str(name) for name in self._client.smembers("farm:nodes")}

    def away(self) -> set[str]:
        """Names of the nodes that did not leave, and reported in the last days but not just now."""
        names = sorted(self.known())
        with broker_errors(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.exists(_node(name))
                pipe.exists(_heard(name))
            found = pipe.execute()
        there = zip(names, found[::2], found[1::2], strict=True)
        return {name for name, reports, heard in there if heard and not reports}

    def slots(self) -> int:
        """How many worker processes all nodes that take work have together."""
        return sum(node.lent for node in self.alive() if not node.paused)

    def alive(self) -> list[NodeReport]:
        """The nodes that are there, by name; `age_s` since each one's last report."""
        names, reports = sorted(self.known()), list[NodeReport]()
        with broker_errors(), self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.get(_node(name))
                pipe.pttl(_node(name))
            said = pipe.execute()
        for name, text, left_ms in zip(names, said[::2], said[1::2], strict=True):
            if text is None:
                continue
            try:
                report = wire.decode(NodeReport, str(text).encode(), _node(name))
            except RejectError:  # a newer release's report: it is alive, more we cannot say
                continue
            reports.append(replace(report, age_s=max(0.0, ALIVE_S - int(left_ms) / 1000)))
        return reports
