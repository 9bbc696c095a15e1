"""What one worker process has at hand: its home, broker, open models and roots."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nasfarm.broker.client import Broker
from nasfarm.core.leases import Lease, Refusal
from nasfarm.core.models import PinnedModel
from nasfarm.errors import LeaseLostError
from nasfarm.jobs.store import JobStore
from nasfarm.registry.store import ModelStore
from nasfarm.registry.sync import verified_copy
from nasfarm_workers.runtime.session import open_session
from nasfarm_workers.runtime.session_cache import OpenModel, SessionCache

Beat = Callable[[], None]
"""Called whenever work has moved on. Raises LeaseLostError: stop, publish nothing."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process.

    roots: this node's roots as they are now; one may be added while the farm runs.
    name: tells it from every other that ever ran on this node: slot and process id.
    image_limit_mp: larger pictures (in megapixels) are refused before they are decoded.
    """

    jobs: JobStore
    roots: Callable[[], Mapping[str, Path]]
    broker: Broker
    models: SessionCache
    node: str
    boot: str
    name: str
    image_limit_mp: float

    def claim(self, job_id: str, chunk: int) -> Lease | Refusal:
        return self.broker.leases.claim(job_id, chunk, self.node, self.boot, self.name)

    def beat(self, lease: Lease) -> Beat:
        """A lease is renewed only while work moves on, and at most three times in its length."""
        due_s = self.broker.lease_s / 3
        last = time.monotonic()

        def beat() -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < due_s:
                return
            if not self.broker.leases.renew(lease):
                raise LeaseLostError(f"{lease.job_id}: the lease of chunk {lease.chunk} is lost")
            last = now

        return beat


def model_loader(
    store: ModelStore, local: Path, threads: int
) -> Callable[[PinnedModel], OpenModel]:
    """How a worker opens a model: from this node's verified copy, never from the share."""

    def load(model: PinnedModel) -> OpenModel:
        path = verified_copy(store, local, model)
        copies = ModelStore(local)
        manifest = copies.manifest(model.name, model.version)
        labels = copies.labels(model.name, model.version)
        return OpenModel(manifest, labels, open_session(path, threads))

    return load
