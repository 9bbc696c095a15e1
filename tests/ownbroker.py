"""A broker that belongs to the test, not to a farm: it runs also while no worker does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from nasfarm.broker import embedded
from nasfarm.nodes.process import spawn, stop


@dataclass(frozen=True, slots=True)
class OwnBroker:
    """url: for `FARM_BROKER_URL`. client: reads messages as the bytes they are. pid: its own."""

    url: str
    client: redis.Redis
    pid: int

    def messages(self, queue: str) -> list[bytes]:
        """What waits in a queue; the last is delivered first."""
        found: list[bytes] = self.client.lrange(queue, 0, -1)
        return found


@contextmanager
def own_broker(folder: Path) -> Iterator[OwnBroker]:
    """Run a broker whose state lies in `folder`, while the block runs."""
    broker = embedded.prepare(folder)
    process = spawn(broker.argv, broker.log_path, pass_fds=(broker.lock_fd,))
    try:
        embedded.ready(broker.url, 20)
        with redis.Redis.from_url(broker.url) as client:
            yield OwnBroker(broker.url, client, process.pid)
    finally:
        stop(process)
        broker.release()
