"""THE MENDING FLOW: plan − results − leases − waiting hints → hints. Only calls; safe any time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from nasfarm.broker.client import Broker
from nasfarm.core.items import HOME_ROOT
from nasfarm.core.jobs import Job, Segment
from nasfarm.core.lease_rules import Cause
from nasfarm.core.leases import REDUCE, Hint, Lease
from nasfarm.errors import NewerFormatError, RejectError
from nasfarm.home import Home
from nasfarm.jobs.results import chunk_tally
from nasfarm.jobs.store import JobStore
from nasfarm.plan.chunks import chunks_by_root, queue_name

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mended:
    """What a pass did: live jobs looked at, hints sent."""

    jobs: int
    hints: int


def reconcile(home: Home, broker: Broker, ended: set[str]) -> Mended:
    """Look at every job that may be unfinished; `ended` remembers between passes which are not."""
    live = broker.leases.live()
    ended -= live  # a retry opens a job again
    jobs = hints = 0
    for job_id in sorted((set(home.jobs.ids()) | live) - ended):
        if not home.jobs.exists(job_id):
            broker.leases.forget(job_id)
            continue
        try:
            job = home.jobs.load(job_id)
            if not has_ended(job, home):
                jobs += 1
                hints += mend(job, home, broker)
                continue
        except NewerFormatError:  # its nodes look after it
            continue
        except RejectError as error:  # one damaged job must not keep the others waiting
            fields = {"action": "job_unreadable", "job": job_id, "reason": str(error)}
            log.warning("job cannot be read", extra=fields)
        ended.add(job_id)
        if job_id in live:
            broker.leases.forget(job_id)
    return Mended(jobs, hints)


def has_ended(job: Job, home: Home) -> bool:
    """Whether storage says that nothing is left to do."""
    plan = home.jobs.plan(job)
    return (
        home.jobs.is_cancelled(job.job_id)
        or home.jobs.summary(job.job_id, plan[-1].generation) is not None
        or home.jobs.failure(job.job_id) is not None
    )


def mend(job: Job, home: Home, broker: Broker) -> int:
    """Hint what is neither done, leased nor waiting, a window of each root; returns how many."""
    if has_ended(job, home):
        return 0
    plan = home.jobs.plan(job)
    total = plan[-1].end
    marked = broker.leases.marked(job.job_id)  # before the look at storage: a file comes first
    done = home.jobs.done_chunks(job.job_id)
    broker.leases.register(job.job_id, total)
    if are_lost(job, home, marked - done):
        broker.leases.unmark_all(job.job_id)
        marked = set()
    for chunk in sorted(done - marked):
        ok, errors = chunk_tally(home.jobs.chunk_file(job.job_id, chunk))
        root = root_of_chunk(plan, chunk)
        broker.leases.done(job.job_id, chunk, root, ok, errors, worked=False)
    taken = {lease.chunk for lease in broker.leases.held(job.job_id)}
    if len(done) == total:
        return hint_reduce(job, broker, taken)
    # Two chunks a slot keep all busy; more would stand before a job that is handed in next.
    window = min(home.hints_per_root, (2 * broker.presence.slots()) or home.hints_per_root)
    return sum(
        hint_root(job, broker, root, blocks, done | taken, window)
        for root, blocks in chunks_by_root(plan).items()
    )


def are_lost(job: Job, home: Home, chunks: set[int]) -> bool:
    """Whether storage has no files of chunks that were done: it is the truth, so they run again.

    Each is looked for by its name: a share's listing may be older than its files.
    """
    lost = [n for n in sorted(chunks) if not home.jobs.is_done(job.job_id, n)]
    if lost:
        fields = {"action": "results_gone", "job": job.job_id, "chunks": lost}
        log.warning("results that were there are gone, running them again", extra=fields)
    return bool(lost)


def hint_root(
    job: Job, broker: Broker, root: str, blocks: list[range], settled: set[int], window: int
) -> int:
    """Fill up one root's window of hints, lowest chunks first, and move its cursor past them."""
    queue = queue_name(job.priority, root)
    waiting = {chunk for job_id, chunk in broker.hints.waiting(queue) if job_id == job.job_id}
    room = window - len(waiting)
    open_chunks = (n for block in blocks for n in block if n not in settled and n not in waiting)
    chosen = list(islice(open_chunks, max(0, room)))
    newest = max([*chosen, *waiting, blocks[-1].start - 1])
    broker.leases.move_cursor(job.job_id, root, newest + 1, blocks[-1].stop)
    return broker.hints.send(Hint(job.job_id, chunk, queue) for chunk in chosen)


def hint_reduce(job: Job, broker: Broker, taken: set[int]) -> int:
    """Every chunk is done: ask for the job's reduce step."""
    queue = queue_name(job.priority, HOME_ROOT)
    if REDUCE in taken or (job.job_id, REDUCE) in broker.hints.waiting(queue):
        return 0
    return broker.hints.send([Hint(job.job_id, REDUCE, queue)])


def return_leases(
    jobs: JobStore, broker: Broker, leases: Iterable[Lease], cause: Cause | None, said: str = ""
) -> int:
    """Return leases of workers that are gone, and hint their chunks again at once.

    cause: how the worker ended; None: it was asked to, and the attempt does not count.
    """
    returned = 0
    for lease in leases:
        given = broker.leases.lost(lease, cause, said) if cause else broker.leases.give_back(lease)
        if given:
            returned += 1
            broker.hints.send([again(jobs, lease)])
    return returned


def again(jobs: JobStore, lease: Lease) -> Hint:
    """The hint for a leased chunk, in the queue of its root."""
    job = jobs.load(lease.job_id)
    root = HOME_ROOT if lease.chunk == REDUCE else root_of_chunk(jobs.plan(job), lease.chunk)
    return Hint(lease.job_id, lease.chunk, queue_name(job.priority, root))


def root_of_chunk(plan: Iterable[Segment], number: int) -> str:
    """The root whose files a chunk reads. Raises RejectError where the plan has no such chunk."""
    for segment in plan:
        if segment.first <= number < segment.end:
            return segment.root
    raise RejectError(f"chunk {number} is in no segment of its plan")


def lost_leases(broker: Broker, node: str, boot: str, worker: str | None = None) -> list[Lease]:
    """Leases of a node's earlier life, or of its worker process `worker`, which has just died."""
    held = (lease for job_id in broker.leases.live() for lease in broker.leases.held(job_id))
    here = (lease for lease in held if lease.held.node == node)
    if worker is None:
        return [lease for lease in here if lease.held.boot != boot]
    return [lease for lease in here if lease.held.worker == worker]
