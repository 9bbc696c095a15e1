"""A broker that belongs to the test, not to a farm: it runs also while no worker does."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from nasfarm.broker import embedded
from nasfarm.nodes.process import spawn, stop

PASSWORD = "choose-a-password"
"""What the guide's Redis asks for."""


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


@contextmanager
def guides_redis(folder: Path) -> Iterator[str]:
    """Run a Redis set up as the guide says, while the block runs; its host:port.

    It is the one that is installed here; where none is, the server that the embedded broker runs.
    """
    binary = shutil.which("redis-server") or embedded.server_program()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    (folder / "redis.conf").write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {PASSWORD}\nmaxmemory-policy noeviction\n"
        f"appendonly yes\ndir {folder}\n"
    )
    with open(folder / "redis.log", "wb") as log:
        process = subprocess.Popen([binary, folder / "redis.conf"], stdout=log, stderr=log)
    try:
        embedded.ready(f"redis://:{PASSWORD}@127.0.0.1:{port}/0", 20)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
