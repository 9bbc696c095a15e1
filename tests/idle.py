"""A farm in which no worker runs but the test itself: a home, a broker, and a worker's own code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from farmyard import Farmyard
from nasfarm import Farm
from nasfarm.config import Settings
from nasfarm.core.jobs import Job
from nasfarm.core.leases import Lease, Refusal
from nasfarm.nodes.memory import MemoryCap
from nasfarm_workers import tasks
from nasfarm_workers.app import SlotRun, create_worker
from nasfarm_workers.orders import Orders
from nasfarm_workers.progress import to_nobody
from nasfarm_workers.worker import Worker
from ownbroker import OwnBroker, own_broker
from pictures import pictures

NODE = "nas"


def slot_run(settings: Settings, broker_url: str) -> SlotRun:
    """What an agent tells the first slot's process."""
    orders = Orders.of(settings.state_dir)
    orders.give(())
    return SlotRun(0, 1, "boot", broker_url, MemoryCap(1 << 40, None), orders)


def worker_of(settings: Settings, broker_url: str) -> Worker:
    """A worker that tells nobody what it does."""
    return create_worker(settings, slot_run(settings, broker_url), to_nobody)


@dataclass(slots=True)
class Idle:
    """It and its two pictures, one a chunk."""

    yard: Farmyard
    broker: OwnBroker
    farm: Farm

    def submit(self) -> Job:
        photos = self.yard.home / "photos"
        answer = self.yard.ok("submit", photos, "--recipe", "detect", "--again", "--json").json
        return self.farm.job(answer["job_id"])

    def claim(self, job: Job, chunk: int, worker: str = "slot0.1") -> Lease | Refusal:
        return self.farm.broker.leases.claim(job.job_id, chunk, NODE, "boot", worker)

    def leased(self, job: Job, chunk: int, worker: str = "slot0.1") -> Lease:
        """A chunk that is free."""
        lease = self.claim(job, chunk, worker)
        assert isinstance(lease, Lease)
        return lease

    def settle(self, lease: Lease) -> str:
        """Run a leased chunk as a worker process does; what it says."""
        said, _ = tasks.settle(lease, worker_of(self.farm.settings, self.broker.url))
        return said

    def chunk_file(self, job: Job, chunk: int) -> Path:
        return self.farm.home.jobs.chunk_file(job.job_id, chunk)


@contextmanager
def idle_farm(folder: Path) -> Iterator[Idle]:
    """It, in a folder of its own; its settings are this process's meanwhile."""
    with own_broker(folder / "broker") as broker, pytest.MonkeyPatch.context() as patch:
        yard = Farmyard(folder, {"FARM_BROKER_URL": broker.url, "FARM_NODE": NODE})
        yard.ok("init")
        pictures(yard.home / "photos", 2)
        for name, text in yard.environment().items():
            if name.startswith("FARM_"):
                patch.setenv(name, text)
        yield Idle(yard, broker, Farm(yard.home))
