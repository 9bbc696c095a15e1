"""THE REDUCE FLOW: a job's published chunks → results.jsonl → pictures → summary. Only calls.

It may run twice, or on two nodes at once: every file is replaced as a whole by the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from nasfarm.core.items import HOME_ROOT, Item, stem
from nasfarm.core.jobs import (
    Job,
    Refreshed,
    Segment,
    Summary,
    end_of_plan,
    items_in,
    newest_generation,
)
from nasfarm.core.ranges import numbers_in, ranges_of
from nasfarm.jobs.daily import show_day
from nasfarm.jobs.dropped import Day
from nasfarm.jobs.manifest import read_items
from nasfarm.jobs.results import joined, merged, parsed, write_results
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm_workers.pixels import Picture
from nasfarm_workers.progress import Progress
from nasfarm_workers.recipes.maps import found_in
from nasfarm_workers.recipes.pictures import draw
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.worker import Worker

PICTURE_SIDE = 1600
"""Drawn pictures are at most this many pixels a side: sharp on a screen, small on the share."""


def run_reduce(job: Job, worker: Worker, beat: Progress) -> bool:
    """Finish a job; False where a chunk is still missing. Raises LeaseLostError, StorageError."""
    if job.rolling:
        return refresh(job, worker, beat)
    plan = worker.jobs.plan(job)
    if len(worker.jobs.done_chunks(job.job_id)) < end_of_plan(plan):
        return False
    summary = put_together(job, plan, merged(worker.jobs, job.job_id, plan), worker, beat)
    worker.jobs.finish(summary, worker.broker.leases.pace(job.job_id))
    worker.broker.leases.forget(job.job_id)
    return True


def refresh(job: Job, worker: Worker, beat: Progress) -> bool:
    """Bring a rolling job's results up to date, once a while, and finish it when its day is over.

    False where it is not time yet. Raises as `run_reduce`.
    """
    jobs, job_id = worker.jobs, job.job_id
    sealed = jobs.sealed(job_id)  # before the look at the plan: it grows no more after that
    if not sealed and worker.broker.leases.refreshed_lately(job_id):
        return False
    plan, done = jobs.plan(job), jobs.done_chunks(job_id)
    whole = sealed and len(done) == end_of_plan(plan)
    if not whole and not worker.broker.leases.begin_refresh(job_id):
        return False
    fresh = done - set(numbers_in(jobs.refreshed(job_id).chunks))
    anew = whole or not jobs.results(job_id).exists()
    lines = merged(jobs, job_id, plan) if anew else joined(jobs, job_id, plan, fresh)
    summary = put_together(job, plan, lines, worker, beat)
    jobs.finish(summary, worker.broker.leases.pace(job_id))
    shown = show(job, worker, beat, last=whole)
    jobs.refresh(job_id, Refreshed(ranges_of(done), sealed=whole and shown))
    if whole and shown:
        worker.broker.leases.forget(job_id)
    return True


def put_together(
    job: Job, plan: Sequence[Segment], lines: Iterable[bytes], worker: Worker, beat: Progress
) -> Summary:
    """Write the results and draw their pictures; what there is to say of all of them."""
    status: Counter[str] = Counter()
    found: Counter[str] = Counter()
    write_results(worker.jobs.results(job.job_id), counted(lines, status, found, beat))
    draw_pictures(job, worker, beat)
    most_first = tuple(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))
    return Summary(
        job.job_id, newest_generation(plan), items_in(plan), status["ok"], status["error"],
        most_first,
    )  # fmt: skip


def show(job: Job, worker: Worker, beat: Progress, *, last: bool) -> bool:
    """Put a rolling job's lines where people look; False where the disk refuses it."""
    assert job.watched is not None
    day = Day(worker.roots()[HOME_ROOT], job.recipe.name, job.watched.day)
    return show_day(
        worker.jobs, job.job_id, day, beat.step,
        sidecars=job.watched.sidecars, daily_csv=job.watched.daily_csv, last=last,
    )  # fmt: skip


def counted(
    lines: Iterable[bytes], status: Counter[str], found: Counter[str], beat: Progress
) -> Iterator[bytes]:
    """The lines as they are, counted on their way."""
    for line in lines:
        record = parsed(line)
        status[record["status"]] += 1
        found.update(found_in(record))
        beat.step()
        yield line


def draw_pictures(job: Job, worker: Worker, beat: Progress) -> None:
    """Draw what was found into the first pictures with findings, as many as were asked for."""
    wanted = int(job.recipe.params.get("pictures", 0))
    if not wanted:
        return
    folder = worker.jobs.path(job.job_id) / "pictures"
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
    path = worker.jobs.results(job.job_id)
    with open(path, "rb") as file, worker.reading([], beat) as files:
        telling = (record for record in map(parsed, file) if found_in(record))
        for record in list(islice(telling, wanted)):
            [item] = read_items(
                worker.jobs.manifest(job.job_id), worker.jobs.plan(job), [record["i"]]
            )
            picture = decode(files.take(item), item.name, PICTURE_SIDE)
            if isinstance(picture, Picture):
                write_file(folder / drawn_name(item), draw(picture, record))
            beat.step()


def drawn_name(item: Item) -> str:
    """What an item's drawn picture is called."""
    frame = f"-frame-{item.frame.number}" if item.frame else ""
    return f"{item.i:06d}-{stem(item.item)}{frame}.jpg"
