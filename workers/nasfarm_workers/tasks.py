"""The one Celery task: a hint to a claim, and a claim to its run. Our errors are settled here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.worker.request import Request

from nasfarm.broker.hints import CHUNK_TASK
from nasfarm.core.items import HOME_ROOT
from nasfarm.core.jobs import Job
from nasfarm.core.leases import REDUCE, Hint, Lease, Refusal
from nasfarm.errors import BrokerError, LeaseLostError, RejectError, RetryError
from nasfarm.plan.chunks import queue_name
from nasfarm_workers.pipeline import run_chunk
from nasfarm_workers.reduction import run_reduce
from nasfarm_workers.worker import Worker

log = logging.getLogger(__name__)


def register(app: Celery, worker: Callable[[], Worker], lost: Callable[[str, int], None]) -> None:
    """Add the task to `app`. `worker()` is called in the pool's child, `lost` in its parent.

    lost: the child died while it ran this chunk; its lease can be returned at once.
    """

    class ChunkRequest(Request):  # type: ignore[misc]
        """What the pool's parent knows of a chunk that its child runs."""

        def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            lost(*self.args)
            return super().on_failure(exc_info, *args, **kwargs)

    @app.task(name=CHUNK_TASK, Request=ChunkRequest)
    def chunk(job_id: str, number: int) -> None:
        take(worker(), job_id, number)


def take(worker: Worker, job_id: str, number: int) -> None:
    """Claim a chunk and run it, or leave it to whoever has it."""
    try:
        lease = worker.claim(job_id, number)
    except BrokerError as error:  # the hint is lost, the reconciler gives another
        log.warning("broker away", extra={"action": "claim_failed", "reason": str(error)})
        return
    if isinstance(lease, Refusal):
        log.info(
            "hint not needed",
            extra={"action": "hint_refused", "job": job_id, "chunk": number, "why": str(lease)},
        )
        return
    try:
        run(lease, worker)
    except LeaseLostError:
        log.warning("lease lost", extra={**facts(lease), "action": "lease_lost"})
    except RetryError as error:
        hand_back(lease, worker, error)
    except RejectError as error:
        fail(lease, worker, error)


def run(lease: Lease, worker: Worker) -> None:
    """Run a leased chunk or reduce step, and hint what follows from it."""
    job = worker.jobs.load(lease.job_id)
    log.info("chunk begun", extra={**facts(lease), "action": "chunk_begun"})
    if lease.chunk == REDUCE:
        if not run_reduce(lease, job, worker):
            worker.broker.leases.give_back(lease, spend=False)
        return
    chunk, finished = run_chunk(lease, job, worker)
    log.info(
        "chunk done", extra={**facts(lease), "action": "chunk_done", "items": len(chunk.items)}
    )
    worker.broker.hints.send(follow_up(job, chunk.root, finished.next_chunk, finished.left))


def follow_up(job: Job, root: str, next_chunk: int | None, left: int) -> list[Hint]:
    """The next chunk of this root, or the reduce step where no chunk is left."""
    if left == 0:
        return [Hint(job.job_id, REDUCE, queue_name(job.priority, HOME_ROOT))]
    if next_chunk is None:
        return []
    return [Hint(job.job_id, next_chunk, queue_name(job.priority, root))]


def hand_back(lease: Lease, worker: Worker, error: RetryError) -> None:
    """The farm cannot do it now: the attempt does not count, the reconciler hints it again."""
    log.warning(
        "chunk handed back", extra={**facts(lease), "action": "handed_back", "reason": str(error)}
    )
    try:
        worker.broker.leases.give_back(lease, spend=False)
    except BrokerError:
        log.warning(
            "lease runs out by itself", extra={**facts(lease), "action": "give_back_failed"}
        )


def fail(lease: Lease, worker: Worker, error: RejectError) -> None:
    """The job cannot be finished by anyone: say why and let go of it."""
    log.error("job failed", extra={**facts(lease), "action": "job_failed", "reason": str(error)})
    worker.jobs.fail(lease.job_id, str(error))
    worker.broker.leases.forget(lease.job_id)


def facts(lease: Lease) -> dict[str, object]:
    return {"job": lease.job_id, "chunk": lease.chunk, "attempt": lease.attempt}
