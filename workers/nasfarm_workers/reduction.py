"""THE REDUCE FLOW:
published chunks → results.jsonl → reduce → tables → pictures → report → summary.

Only calls. It may run twice, or on two nodes at once: every file is replaced as a whole by the same
bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

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
from nasfarm.core.lines import Fault
from nasfarm.core.ranges import numbers_in, ranges_of
from nasfarm.core.reduced import Heat
from nasfarm.jobs.daily import show_day
from nasfarm.jobs.dropped import Day
from nasfarm.jobs.manifest import read_items
from nasfarm.jobs.results import joined, merged, parsed, write_results
from nasfarm.jobs.tables import write_tables
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm_workers.pixels import Picture
from nasfarm_workers.progress import Progress
from nasfarm_workers.recipes.counts import Counts
from nasfarm_workers.recipes.heat import draw_heat, no_ground
from nasfarm_workers.recipes.maps import found_in
from nasfarm_workers.recipes.pictures import draw
from nasfarm_workers.recipes.reduces import reduced_by
from nasfarm_workers.report.survey import Survey
from nasfarm_workers.reporting import Known, write_report
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.worker import Files, Worker

PICTURE_SIDE = 1600
"""Drawn pictures are at most this many pixels a side: sharp on a screen, small on the share."""

HEAT_SIDE = 1024
"""A heat has 96 cells across; its PNG takes 1 MB at this size."""


def run_reduce(job: Job, worker: Worker, beat: Progress) -> bool:
    """Finish a job; False where a chunk is still missing.

    Raises LeaseLostError, StorageError; RejectError where its lines cannot be reduced.
    """
    if job.rolling:
        return refresh(job, worker, beat)
    plan = worker.jobs.plan(job)
    if len(worker.jobs.done_chunks(job.job_id)) < end_of_plan(plan):
        return False
    put_together(job, plan, merged(worker.jobs, job.job_id, plan), worker, beat)
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
    put_together(job, plan, lines, worker, beat)
    shown = show(job, worker, beat, last=whole)
    jobs.refresh(job_id, Refreshed(ranges_of(done), sealed=whole and shown))
    if whole and shown:
        worker.broker.leases.forget(job_id)
    return True


def put_together(
    job: Job, plan: Sequence[Segment], lines: Iterable[bytes], worker: Worker, beat: Progress
) -> None:
    """Write the results, all that is made of them, and last the summary."""
    folder, results = worker.jobs.path(job.job_id), worker.jobs.results(job.job_id)
    counts, survey = Counts(), Survey()
    write_results(results, counted(lines, counts, survey, beat))
    reduced = reduced_by(job.recipe, records(results, beat))
    write_tables(folder / "tables", reduced.tables)
    draw_pictures(job, worker, beat)
    draw_heats(job, reduced.heats, worker, beat)
    summary = Summary(
        job.job_id, newest_generation(plan), items_in(plan),
        counts.status["ok"], counts.status["error"], counts.most_first,
        facts=reduced.facts, times=counts.times, notes=(*reduced.notes, *counts.notes),
    )  # fmt: skip
    pace = worker.broker.leases.pace(job.job_id)
    if pace.images_per_s is None:  # nothing was run since: it is as it was
        pace = worker.jobs.pace(job.job_id)
    write_report(job, Known(summary, reduced, survey, pace), worker, beat)
    worker.jobs.finish(summary, pace)


def show(job: Job, worker: Worker, beat: Progress, *, last: bool) -> bool:
    """Put a rolling job's lines where people look; False where the disk refuses it."""
    assert job.watched is not None
    day = Day(worker.roots()[HOME_ROOT], job.recipe.name, job.watched.day)
    return show_day(
        worker.jobs, job.job_id, day, beat.step,
        sidecars=job.watched.sidecars, daily_csv=job.watched.daily_csv, last=last,
    )  # fmt: skip


def counted(
    lines: Iterable[bytes], counts: Counts, survey: Survey, beat: Progress
) -> Iterator[bytes]:
    """The lines as they are, counted on their way."""
    for line in lines:
        record = parsed(line)
        counts.add(record)
        survey.add(record)
        beat.step()
        yield line


def records(results: Path, beat: Progress) -> Iterator[dict[str, Any]]:
    """The lines as JSON documents, read one by one. Raises StorageError, and as `Progress.step`."""
    with storage_errors(results), open(results, "rb") as file:
        for line in file:
            beat.step()
            yield parsed(line)


def draw_pictures(job: Job, worker: Worker, beat: Progress) -> None:
    """Draw what was found into the first pictures with findings, as many as were asked for."""
    wanted = int(job.recipe.params.get("pictures", 0))
    if not wanted:
        return
    folder = pictures_folder(job, worker)
    path = worker.jobs.results(job.job_id)
    with open(path, "rb") as file, worker.reading([], beat) as files:
        telling = (record for record in map(parsed, file) if found_in(record))
        for record in list(islice(telling, wanted)):
            item, picture = picture_of(job, record["i"], PICTURE_SIDE, worker, files)
            if isinstance(picture, Picture):
                write_file(folder / drawn_name(item), draw(picture, record))
            beat.step()


def draw_heats(job: Job, heats: Sequence[Heat], worker: Worker, beat: Progress) -> None:
    """Draw each heat over the picture that it names."""
    if not heats:
        return
    folder = pictures_folder(job, worker)
    with worker.reading([], beat) as files:
        for heat in heats:
            _, picture = picture_of(job, heat.i, HEAT_SIDE, worker, files)
            ground = picture.pixels if isinstance(picture, Picture) else no_ground(heat)
            write_file(folder / f"{heat.name}.png", draw_heat(ground, heat))
            beat.step()


def picture_of(
    job: Job, i: int, side: int, worker: Worker, files: Files
) -> tuple[Item, Picture | Fault]:
    """An item of the job and its picture, at most so many pixels a side."""
    [item] = read_items(worker.jobs.manifest(job.job_id), worker.jobs.plan(job), [i])
    return item, decode(files.take(item), item.name, side)


def pictures_folder(job: Job, worker: Worker) -> Path:
    """Where the job's drawn pictures lie; it is made."""
    folder = worker.jobs.path(job.job_id) / "pictures"
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
    return folder


def drawn_name(item: Item) -> str:
    """What an item's drawn picture is called."""
    frame = f"-frame-{item.frame.number}" if item.frame else ""
    return f"{item.i:06d}-{stem(item.item)}{frame}.jpg"
