"""The one Celery task: a hint to a claim, and a claim to its run. Our errors are settled here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from celery import Celery
from celery.worker.request import Request

from nasfarm.broker.hints import CHUNK_TASK
from nasfarm.broker.rates import Timed, work_of
from nasfarm.core.jobs import Job, Segment, end_of_plan
from nasfarm.core.lease_rules import Cause
from nasfarm.core.leases import REDUCE, Hint, Lease, Refusal
from nasfarm.core.lines import Line
from nasfarm.core.tallies import LEASE_LOST, Tally, of_chunk, of_images, of_lost
from nasfarm.errors import (
    BrokerError,
    FarmError,
    LeaseLostError,
    NewerFormatError,
    RejectError,
    RetryError,
    StorageError,
)
from nasfarm.jobs.failures import note_failures
from nasfarm.jobs.results import chunk_tally
from nasfarm.plan.chunks import chunk_of, hint_of, queue_name
from nasfarm_workers.pipeline import run_chunk
from nasfarm_workers.progress import Progress, progress
from nasfarm_workers.reduction import run_reduce
from nasfarm_workers.worker import Worker

log = logging.getLogger(__name__)


def register(
    app: Celery, worker: Callable[[], Worker], lost: Callable[[str, int, str], None]
) -> None:
    """Add the task to `app`. `worker()` is called in the pool's child, `lost` in its parent.

    lost: the child died while it ran this chunk, in these words; its lease goes back at once.
    """

    class ChunkRequest(Request):  # type: ignore[misc]
        """What the pool's parent knows of a chunk that its child runs."""

        def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                job_id, number = self.args
                lost(job_id, number, str(exc_info.exception))
            except Exception:  # raised on, the pool would count this chunk as running for ever
                log.exception("lease runs out by itself", extra={"action": "return_failed"})
            return super().on_failure(exc_info, *args, **kwargs)

    @app.task(name=CHUNK_TASK, Request=ChunkRequest)
    def chunk(job_id: str, number: int) -> str:
        try:
            return take(worker(), job_id, number)
        except RetryError as error:  # the hint is lost, the reconciler gives another
            fields = {"action": "hint_dropped", "job": job_id, "chunk": number}
            log.warning("broker or home away", extra={**fields, "reason": str(error)})
            return f"not begun: {error}"


def take(worker: Worker, job_id: str, number: int) -> str:
    """Claim a chunk and run it, or leave it to whoever has it; what came of it, for a monitor.

    Raises RetryError: not claimed.
    """
    if not worker.takes_work():  # on its way when the node was held; the reconciler gives another
        log.info("hint left", extra={"action": "hint_left", "job": job_id, "chunk": number})
        return "left: this node is held"
    lease = worker.claim(job_id, number)
    if not isinstance(lease, Refusal) and worker.jobs.is_cancelled(job_id):
        worker.broker.leases.forget(job_id)  # cancelled while the broker was away
        return "cancelled"
    if lease is Refusal.DEAD:
        reason = f"chunk {number} ends its worker before an image is reached; see the farm's logs"
        fail(worker, job_id, reason)
        return "job failed"
    if isinstance(lease, Refusal):
        fields = {"action": "hint_refused", "job": job_id, "chunk": number, "why": str(lease)}
        log.info("hint not needed", extra=fields)
        return f"not needed: {lease}"
    said, last = settle(lease, worker)
    if last:
        take(worker, job_id, REDUCE)  # at once: a hint would wait behind other jobs' chunks
    return said


def settle(lease: Lease, worker: Worker) -> tuple[str, bool]:
    """Run a leased chunk; whatever comes of it, its lease is dealt with.

    Returns what came of it in words, and whether it was its job's last one.
    """
    try:
        with progress(
            lease, worker.broker, worker.image_timeout_s, worker.must_stop, worker.tell
        ) as beat:
            return run(lease, worker, beat)
    except LeaseLostError:
        log.warning("lease lost", extra={**facts(lease), "action": "lease_lost"})
        if worker.jobs.is_cancelled(lease.job_id):  # somebody wished it
            return "cancelled", False
        worker.count(of_lost(LEASE_LOST))
        return "lease lost", False
    except (RetryError, NewerFormatError) as error:
        hand_back(lease, worker, error)
        return f"handed back: {error}", False
    except RejectError as error:
        fail(worker, lease.job_id, str(error))
        return f"job failed: {error}", False
    except Exception as error:  # a fault of ours, or memory: as if the process had died of it
        log.exception("chunk broke off", extra={**facts(lease), "action": "broke_off"})
        worker.broker.leases.lost(lease, Cause.DIED, f"{type(error).__name__}: {error}"[:500])
        worker.count(of_lost(Cause.DIED))
        return f"broke off: {type(error).__name__}", False


def run(lease: Lease, worker: Worker, beat: Progress) -> tuple[str, bool]:
    """Run a leased chunk or reduce step, and hint what follows; returns as `settle`."""
    job = worker.jobs.load(lease.job_id)
    log.info("chunk begun", extra={**facts(lease), "action": "chunk_begun"})
    if lease.chunk == REDUCE:
        if run_reduce(job, worker, beat):
            return "results written", False
        worker.broker.leases.give_back(lease)
        return "not time yet", False
    # Before an image can be blamed for anything, and before the clock starts that tells the pace.
    worker.open_models(job.recipe, beat)
    begun = time.monotonic()
    lines = run_chunk(lease, job, worker, beat)
    seconds = time.monotonic() - begun
    plan = worker.jobs.plan(job)
    chunk = chunk_of(job.job_id, plan, lease.chunk)
    worker.count(tally_of(job, lines, len(chunk.items), beat))
    note_failures(worker.jobs.path(job.job_id), lease, lines)
    # Of the file that stands, which may be another worker's.
    ok, errors = chunk_tally(worker.jobs.chunk_file(job.job_id, lease.chunk))
    usual = ok and not lease.careful
    timed = Timed(work_of(job.recipe), worker.node, ok, seconds) if usual else None
    finished = worker.broker.leases.done(
        job.job_id, lease.chunk, chunk.root, ok, errors,
        worked=True, timed=timed, again=chunk.generation > 0,
    )  # fmt: skip
    log.info("chunk done", extra={**facts(lease), "action": "chunk_done", "items": ok + errors})
    if finished.next_chunk is not None:
        worker.broker.hints.send([next_hint(job, plan, finished.next_chunk, chunk.root, worker)])
    return f"{ok} ok, {errors} failed", finished.left == 0


def next_hint(job: Job, plan: Sequence[Segment], number: int, root: str, worker: Worker) -> Hint:
    """The hint for the chunk of this root that the broker named."""
    grown = number >= end_of_plan(plan)  # a rolling job, since a moment ago
    known = worker.jobs.plan(job) if grown else plan
    try:
        return hint_of(job, known, number)
    except LookupError:  # this box's share shows it as it was; who takes the hint may see more
        return Hint(job.job_id, number, queue_name(job.priority, root), job.recipe.name)


def tally_of(job: Job, lines: Sequence[Line], images: int, beat: Progress) -> Tally:
    """What a chunk's run counts for. Its images count where its lines are the ones published: of
    several workers that ran a chunk one alone won.
    """
    ran = of_chunk(beat.clock.seconds, images, beat.batches)
    bad = sum(line.fault is not None for line in lines)
    return ran + of_images(str(job.recipe.stages[0].model), len(lines) - bad, bad)


def hand_back(lease: Lease, worker: Worker, error: FarmError) -> None:
    """The farm cannot do it now: the attempt does not count, the reconciler hints it again."""
    fields = {**facts(lease), "action": "handed_back", "reason": str(error)}
    log.warning("chunk handed back", extra=fields)
    if isinstance(error, StorageError) and error.code == "write":
        worker.step_aside(str(error))
    try:
        worker.broker.leases.give_back(lease)
    except BrokerError:
        fields = {**facts(lease), "action": "give_back_failed"}
        log.warning("lease runs out by itself", extra=fields)


def fail(worker: Worker, job_id: str, reason: str) -> None:
    """The job cannot be finished by anyone: say why and let go of it."""
    log.error("job failed", extra={"job": job_id, "action": "job_failed", "reason": reason})
    try:
        worker.jobs.fail(job_id, reason)
        worker.broker.leases.forget(job_id)
    except RetryError as error:  # the home or the broker is away: the next claim fails it again
        fields = {"job": job_id, "action": "fail_failed", "reason": str(error)}
        log.warning("job not marked as failed yet", extra=fields)


def facts(lease: Lease) -> dict[str, object]:
    return {"job": lease.job_id, "chunk": lease.chunk, "attempt": lease.held.attempt}
