"""THE MENDING FLOW: plan − results − leases − waiting hints → hints. Only calls; safe any time."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from nasfarm.broker.client import Broker
from nasfarm.broker.hints import Waiting
from nasfarm.core.items import HOME_ROOT
from nasfarm.core.jobs import Job, Segment, end_of_plan, items_in, newest_generation
from nasfarm.core.lease_rules import Cause
from nasfarm.core.leases import REDUCE, Hint, Lease
from nasfarm.core.ranges import count_of
from nasfarm.errors import NewerFormatError, RejectError
from nasfarm.home import Home
from nasfarm.jobs.ends import told_by_names
from nasfarm.jobs.index import Ended, JobIndex, open_index
from nasfarm.jobs.results import chunk_tally
from nasfarm.jobs.store import JobStore
from nasfarm.plan.chunks import chunks_by_root, hint_of, queue_name, segment_with

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mended:
    """What a pass did: live jobs looked at, hints sent."""

    jobs: int
    hints: int


def reconcile(home: Home, broker: Broker, ended: set[str], most_s: float = math.inf) -> Mended:
    """Look at every job that may be unfinished; `ended` remembers between passes which are not.

    most_s: so long it looks at jobs that nobody here knows; the rest is for the next pass.
    """
    live = broker.leases.live()
    queues = Waiting(lambda queue: broker.hints.waiting(queue))  # Celery: only where it is needed
    jobs = hints = 0
    with open_index(home.state_dir, home.jobs.folder) as index:
        for job_id in due(home, index, live, ended, most_s):
            if not home.jobs.exists(job_id):
                broker.leases.forget(job_id)
                continue
            try:
                job = home.jobs.load(job_id)
                end = end_of(job, home)
                if end is None:
                    jobs += 1
                    hints += mend(job, home, broker, queues)
                    continue
                index.put(end, time.time())
            except NewerFormatError:  # its nodes look after it
                continue
            except RejectError as error:  # one damaged job must not keep the others waiting
                fields = {"action": "job_unreadable", "job": job_id, "reason": str(error)}
                log.warning("job cannot be read", extra=fields)
            ended.add(job_id)
            if job_id in live:
                broker.leases.forget(job_id)
    return Mended(jobs, hints)


def due(
    home: Home, index: JobIndex, live: set[str], ended: set[str], most_s: float
) -> Iterator[str]:
    """The jobs to look at: live ones, then for `most_s` those that nobody here knows.

    `ended` is brought up to date; of a fresh agent it comes from the index.
    """
    there = set(home.jobs.ids())
    if not ended:
        ended |= index.ids()
    index.sift(ended, there, live, home.jobs, time.time())
    yield from sorted(live)
    begun = time.monotonic()
    for job_id in sorted(there - live - ended):
        told = told_by_names(home.jobs.folder, job_id)
        if told is None:
            yield job_id
        else:
            index.put(told, time.time())
            ended.add(job_id)
        if time.monotonic() - begun > most_s:
            return


def end_of(job: Job, home: Home) -> Ended | None:
    """What the index keeps of a job that has ended; None where it has not."""
    # First what a retry changes: of one that comes in between, the index then hears by its mark.
    generation = newest_generation(home.jobs.plan(job))
    failed = home.jobs.failure(job.job_id) is not None
    if not has_ended(job, home):
        return None
    return Ended(job.job_id, job.created_at, generation, failed)


def has_ended(job: Job, home: Home) -> bool:
    """Whether storage says that nothing is left to do."""
    return (
        home.jobs.is_cancelled(job.job_id)
        or is_reduced(job, home)
        or home.jobs.failure(job.job_id) is not None
    )


def is_reduced(job: Job, home: Home) -> bool:
    """Whether the results hold all there will be: for a rolling job, once its day is over."""
    plan = home.jobs.plan(job)
    if not job.rolling:
        return home.jobs.summary(job.job_id, newest_generation(plan)) is not None
    held = home.jobs.refreshed(job.job_id)
    return held.sealed and count_of(held.chunks) == end_of_plan(plan)


def mend(job: Job, home: Home, broker: Broker, queues: Waiting | None = None) -> int:
    """Hint what is neither done, leased nor waiting, a window of each root; returns how many.

    queues: what a pass over many jobs has read of them; else they are read now.
    """
    if has_ended(job, home):
        return 0
    queues = queues or Waiting(broker.hints.waiting)
    plan = home.jobs.plan(job)
    total = end_of_plan(plan)
    marked = broker.leases.marked(job.job_id)  # before the look at storage: a file comes first
    done = home.jobs.done_chunks(job.job_id)
    broker.leases.register(job.job_id, total, items_in(plan), job.by_s)
    if are_lost(job, home, marked - done):
        broker.leases.unmark_all(job.job_id)
        marked = set()
    for chunk in sorted(done - marked):
        ok, errors = chunk_tally(home.jobs.chunk_file(job.job_id, chunk))
        segment = segment_of_chunk(plan, chunk)
        again = segment.generation > 0
        broker.leases.done(job.job_id, chunk, segment.root, ok, errors, worked=False, again=again)
    taken = {lease.chunk for lease in broker.leases.held(job.job_id)}
    refreshes = job.rolling and is_due(job, done, home, broker)
    hints = hint_reduce(job, plan, broker, taken, queues) if refreshes else 0
    if len(done) == total:
        return hints if job.rolling else hint_reduce(job, plan, broker, taken, queues)
    # Two chunks a slot keep all busy; more would stand before a job that is handed in next.
    window = min(home.hints_per_root, (2 * broker.presence.slots()) or home.hints_per_root)
    return hints + sum(
        hint_root(job, plan, broker, root, blocks, done | taken, window, queues)
        for root, blocks in chunks_by_root(plan).items()
    )


def is_due(job: Job, done: set[int], home: Home, broker: Broker) -> bool:
    """Whether a rolling job's results are to be written again: there is more to hold, and the last
    time is a while ago or the day is over.
    """
    held = home.jobs.refreshed(job.job_id)
    whole = home.jobs.sealed(job.job_id) and len(done) == end_of_plan(home.jobs.plan(job))
    if count_of(held.chunks) == len(done) and held.sealed == whole:
        return False
    return whole or not broker.leases.refreshed_lately(job.job_id)


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
    job: Job, plan: Sequence[Segment], broker: Broker, root: str, blocks: list[range],
    settled: set[int], window: int, queues: Waiting,
) -> int:  # fmt: skip
    """Fill up one root's window of hints, lowest chunks first, and move its cursor past them."""
    queue = queue_name(job.priority, root)
    waiting = queues.of(queue, job.job_id)
    room = window - len(waiting)
    open_chunks = (n for block in blocks for n in block if n not in settled and n not in waiting)
    chosen = list(islice(open_chunks, max(0, room)))
    newest = max([*chosen, *waiting, blocks[-1].start - 1])
    broker.leases.move_cursor(job.job_id, root, newest + 1, blocks[-1].stop)
    return broker.hints.send(hint_of(job, plan, chunk) for chunk in chosen)


def hint_reduce(
    job: Job, plan: Sequence[Segment], broker: Broker, taken: set[int], queues: Waiting
) -> int:
    """Every chunk is done: ask for the job's reduce step."""
    queue = queue_name(job.priority, HOME_ROOT)
    if REDUCE in taken or REDUCE in queues.of(queue, job.job_id):
        return 0
    return broker.hints.send([hint_of(job, plan, REDUCE)])


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
    """The hint for a leased chunk. Raises RejectError where the plan has no such chunk."""
    job = jobs.load(lease.job_id)
    try:
        return hint_of(job, jobs.plan(job), lease.chunk)
    except LookupError as error:
        raise RejectError(str(error)) from error


def segment_of_chunk(plan: Sequence[Segment], number: int) -> Segment:
    """The segment that holds a chunk. Raises RejectError where the plan has no such chunk."""
    segment = segment_with(plan, number)
    if segment is None:
        raise RejectError(f"chunk {number} is in no segment of its plan")
    return segment


def lost_leases(broker: Broker, node: str, boot: str, worker: str | None = None) -> list[Lease]:
    """Leases of a node's earlier life, or of its worker process `worker`, which has just died."""
    here = (lease for lease in broker.leases.all_held() if lease.held.node == node)
    if worker is None:
        return [lease for lease in here if lease.held.boot != boot]
    return [lease for lease in here if lease.held.worker == worker]
