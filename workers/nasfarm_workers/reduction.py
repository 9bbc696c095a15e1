"""THE REDUCE FLOW:
published chunks → results.jsonl → reduce → tables → pictures → report → summary.

Only calls. It may run twice, or on two nodes at once: every file is replaced as a whole by the same
bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from nasfarm.core.items import HOME_ROOT, stem
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
from nasfarm.errors import StorageError
from nasfarm.jobs.daily import show_day
from nasfarm.jobs.dropped import Day
from nasfarm.jobs.manifest import read_items
from nasfarm.jobs.results import joined, merged, parsed, write_results
from nasfarm.jobs.tables import write_tables
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm_workers.checkpoint import at_the_start, taken_up, taking_in
from nasfarm_workers.pixels import Picture
from nasfarm_workers.progress import Progress
from nasfarm_workers.recipes.heat import draw_heat, no_ground
from nasfarm_workers.recipes.maps import found_in
from nasfarm_workers.recipes.pictures import draw
from nasfarm_workers.recipes.reduces import reduced_by
from nasfarm_workers.reporting import Known, write_report
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.worker import Files, Worker

T = TypeVar("T")

PICTURE_SIDE = 1600
"""Drawn pictures are at most this many pixels a side: sharp on a screen, small on the share."""

LONGEST_STEM = 160
"""Bytes; a name has 255, and the draft of a file is called longer than the file."""

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
    done = jobs.done_chunks(job_id)  # before the plan, which has all of these then
    plan = jobs.plan(job)
    whole = sealed and len(done) == end_of_plan(plan)
    if not whole and not worker.broker.leases.begin_refresh(job_id):
        return False
    held = jobs.refreshed(job_id)
    fresh = done - set(numbers_in(held.chunks))
    # Whoever was late may have put older results over those that were spoken of.
    there = size_of(jobs.results(job_id))
    go_on = not whole and there is not None and there == held.bytes
    lines = joined(jobs, job_id, plan, fresh) if go_on else merged(jobs, job_id, plan)
    put_together(job, plan, lines, worker, beat, go_on=go_on)
    shown = show(job, worker, beat, last=whole)
    size = size_of(jobs.results(job_id))
    jobs.refresh(job_id, Refreshed(ranges_of(done), sealed=whole and shown, bytes=size))
    if whole and shown:
        with storage_errors(jobs.checkpoint(job_id)):
            jobs.checkpoint(job_id).unlink(missing_ok=True)
        worker.broker.leases.forget(job_id)
    return True


def put_together(
    job: Job,
    plan: Sequence[Segment],
    lines: Iterable[bytes],
    worker: Worker,
    beat: Progress,
    *,
    go_on: bool = False,
) -> None:
    """Write the results, all that is made of them, and last the summary.

    go_on: with the lines that came since the last time, if the others are the same.
    """
    folder, results = worker.jobs.path(job.job_id), worker.jobs.results(job.job_id)
    write_results(results, stepped(lines, beat))
    kept = worker.jobs.checkpoint(job.job_id)
    so_far = taken_up(kept, job.recipe, results) if go_on else at_the_start(job.recipe)
    records = stepped(taking_in(results, so_far, kept if job.rolling else None), beat)
    reduced = reduced_by(job.recipe, records, so_far.reducing)
    deque(records, maxlen=0)  # an installed package's reduce may not read all of them
    counts = so_far.counts
    write_tables(folder / "tables", reduced.tables)
    draw_pictures(job, worker, beat)
    draw_heats(job, reduced.heats, worker, beat)
    notes = (*reduced.notes, *counts.notes)
    summary = Summary(
        job.job_id, newest_generation(plan), items_in(plan),
        counts.status["ok"], counts.status["error"], counts.most_first,
        facts=reduced.facts, times=counts.times, notes=tuple(map(str, notes)),
    )  # fmt: skip
    pace = worker.broker.leases.pace(job.job_id)
    if pace.images_per_s is None:  # nothing was run since: it is as it was
        pace = worker.jobs.pace(job.job_id)
    write_report(job, Known(summary, reduced, so_far.survey, pace, notes), worker, beat)
    worker.jobs.finish(summary, pace)


def show(job: Job, worker: Worker, beat: Progress, *, last: bool) -> bool:
    """Put a rolling job's lines where people look; False where the disk refuses it."""
    assert job.watched is not None
    day = Day(worker.roots()[HOME_ROOT], job.recipe.name, job.watched.day)
    return show_day(
        worker.jobs, job.job_id, day, beat.step,
        sidecars=job.watched.sidecars, daily_csv=job.watched.daily_csv, last=last,
    )  # fmt: skip


def stepped(lines: Iterable[T], beat: Progress) -> Iterator[T]:
    """The lines as they are. Raises as `Progress.step`."""
    for line in lines:
        beat.step()
        yield line


def records(results: Path) -> Iterator[dict[str, Any]]:
    """The lines as JSON documents, read one by one. Raises StorageError."""
    with storage_errors(results), open(results, "rb") as file:
        for line in file:
            yield parsed(line)


def size_of(results: Path) -> int | None:
    """How many bytes it has; None where it is not there. Raises StorageError."""
    with storage_errors(results):
        return results.stat().st_size if results.exists() else None


def draw_pictures(job: Job, worker: Worker, beat: Progress) -> None:
    """Draw what was found into the first pictures with findings, as many as were asked for."""
    wanted = int(job.recipe.params.get("pictures", 0))
    if not wanted:
        return
    folder = pictures_folder(job, worker)
    lines = stepped(records(worker.jobs.results(job.job_id)), beat)
    telling = list(islice(filter(found_in, lines), wanted))
    with worker.reading([], beat) as files:
        for record in telling:
            path = folder / drawn_name(record)
            if path.exists():  # a rolling job's are drawn once
                continue
            picture = picture_of(job, record["i"], PICTURE_SIDE, worker, files)
            if isinstance(picture, Picture):
                write_file(path, draw(picture, record))
            beat.step()


def draw_heats(job: Job, heats: Sequence[Heat], worker: Worker, beat: Progress) -> None:
    """Draw each heat over the picture that it names."""
    if not heats:
        return
    folder = pictures_folder(job, worker)
    with worker.reading([], beat) as files:
        for heat in heats:
            picture = picture_of(job, heat.i, HEAT_SIDE, worker, files)
            ground = picture.pixels if isinstance(picture, Picture) else no_ground(heat)
            write_file(folder / f"{heat.name}.png", draw_heat(ground, heat))
            beat.step()


def picture_of(job: Job, i: int, side: int, worker: Worker, files: Files) -> Picture | Fault:
    """An item's picture, at most so many pixels a side. A disk that is away is a fault like others:
    what was found does not wait for it.
    """
    [item] = read_items(worker.jobs.manifest(job.job_id), worker.jobs.plan(job), [i])
    try:
        return decode(files.take(item), item.name, side)
    except StorageError as error:
        return Fault(error.code, str(error))


def pictures_folder(job: Job, worker: Worker) -> Path:
    """Where the job's drawn pictures lie; it is made."""
    folder = worker.jobs.path(job.job_id) / "pictures"
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
    return folder


def drawn_name(record: Mapping[str, Any]) -> str:
    """What an item's drawn picture is called."""
    frame = f"-frame-{record['frame']['number']}" if "frame" in record else ""
    name = stem(record["item"]).encode()[:LONGEST_STEM].decode(errors="ignore")
    return f"{record['i']:06d}-{name}{frame}.jpg"
