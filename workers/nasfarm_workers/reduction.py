"""THE REDUCE FLOW: a job's published chunks → results.jsonl → pictures → summary. Only calls.

It may run twice, or on two nodes at once: every file is replaced as a whole by the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from nasfarm.core.items import Item, stem
from nasfarm.core.jobs import Job, Summary
from nasfarm.core.lines import Fault
from nasfarm.jobs.manifest import read_items
from nasfarm.jobs.results import merged, parsed, write_results
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm_workers.pixels import Picture
from nasfarm_workers.progress import Progress
from nasfarm_workers.recipes.maps import found_in
from nasfarm_workers.recipes.pictures import draw
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.read import read
from nasfarm_workers.worker import Worker

PICTURE_SIDE = 1600
"""Drawn pictures are at most this many pixels a side: sharp on a screen, small on the share."""


def run_reduce(job: Job, worker: Worker, beat: Progress) -> bool:
    """Finish a job; False where a chunk is still missing. Raises LeaseLostError, StorageError."""
    plan = worker.jobs.plan(job)
    if len(worker.jobs.done_chunks(job.job_id)) < plan[-1].end:
        return False
    status: Counter[str] = Counter()
    found: Counter[str] = Counter()
    lines = counted(merged(worker.jobs, job.job_id, plan), status, found, beat)
    write_results(worker.jobs.results(job.job_id), lines)
    draw_pictures(job, worker, beat)
    most_first = tuple(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))
    summary = Summary(
        job.job_id, plan[-1].generation, job.items, status["ok"], status["error"], most_first
    )
    worker.jobs.finish(summary, worker.broker.leases.pace(job.job_id))
    worker.broker.leases.forget(job.job_id)
    return True


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
    with open(worker.jobs.results(job.job_id), "rb") as file:
        telling = (record for record in map(parsed, file) if found_in(record))
        for record in list(islice(telling, wanted)):
            [item] = read_items(
                worker.jobs.manifest(job.job_id), worker.jobs.plan(job), [record["i"]]
            )
            picture = picture_of(item, worker)
            if isinstance(picture, Picture):
                name = f"{item.i:06d}-{stem(item.item)}.jpg"
                write_file(folder / name, draw(picture, record))
            beat.step()


def picture_of(item: Item, worker: Worker) -> Picture | Fault:
    """The item's picture in a size to look at, or the fault that keeps it."""
    blob = read(item, worker.roots(), worker.present)
    return decode(blob, item.item, PICTURE_SIDE)
