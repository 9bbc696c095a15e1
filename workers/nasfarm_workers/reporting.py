"""What a reduce step knows of a job → report.html, with small pictures of the items most worth
seeing. Only calls.

The small pictures stay in the job's folder: a rolling job's next report opens only new ones.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasfarm.core.items import Item
from nasfarm.core.jobs import Job, Pace, Summary
from nasfarm.core.reduced import Note, Reduced, Telling
from nasfarm.errors import FarmError, StorageError
from nasfarm.jobs.manifest import read_items
from nasfarm.jobs.results import item_number, parsed
from nasfarm.storage.atomic import CANNOT_WRITE, replaced, storage_errors, write_file
from nasfarm_workers.pixels import Blob, Picture
from nasfarm_workers.progress import Progress
from nasfarm_workers.report.page import page
from nasfarm_workers.report.survey import Survey
from nasfarm_workers.report.values import Report, Scene, Shot
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.thumbs import thumb
from nasfarm_workers.worker import Files, Worker

log = logging.getLogger(__name__)

SHOTS = 24
SHOT_SIDE, SCENE_SIDE = 640, 1280
"""Pixels of the longer side: sharp on a phone; the scene is as wide as the page."""

NONE = -1
"""Number of no item."""

Small = tuple[int, int]
"""Number of an item, and the longer side of its small picture."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the reduce step has found out."""

    summary: Summary
    reduced: Reduced
    survey: Survey
    pace: Pace
    notes: Sequence[Note | str]


def write_report(job: Job, known: Known, worker: Worker, beat: Progress) -> None:
    """Write the job's report. Raises StorageError, and as `Progress.step`.

    Whatever else is wrong with it is only logged: the results are what counts.
    """
    try:
        content = "".join(page(report_of(job, known, worker, beat)))
    except (FarmError, MemoryError):
        raise
    except Exception:
        log.exception("no report", extra={"action": "report_failed", "job": job.job_id})
        return
    beat.step()
    write_file(worker.jobs.report(job.job_id), content.encode("utf-8", "replace"))


def report_of(job: Job, known: Known, worker: Worker, beat: Progress) -> Report:
    """All that the page says."""
    told = sorted(known.reduced.telling, key=lambda one: (-one.score, one.i))
    telling = chosen(told or known.survey.telling(SHOTS))
    backdrop = backdrop_of(job, known)
    lines = lines_at(worker.jobs.results(job.job_id), {*telling, backdrop})
    records = {record["i"]: record for record in lines}
    wanted = [(i, SHOT_SIDE) for i in telling if i in records]
    wanted += [(backdrop, SCENE_SIDE)] if backdrop in records else []
    small = small_pictures(job, wanted, worker, beat)
    shots = [
        Shot(records[i], small.get((i, SHOT_SIDE), b""), why)
        for i, why in telling.items()
        if i in records
    ]
    scenes = list(heat_scenes(job, known.reduced, worker))
    if backdrop in records and (backdrop, SCENE_SIDE) in small:
        record = records[backdrop]
        jpeg = small[(backdrop, SCENE_SIDE)]
        scenes.append(Scene(jpeg, record["width"], record["height"]))
    return Report(
        job,
        known.summary,
        known.reduced,
        known.survey,
        known.pace.images_per_s,
        shots,
        scenes,
        known.notes,
    )


def chosen(telling: Iterable[Telling]) -> dict[int, str]:
    """The first of them: item numbers and why, each item once."""
    ranked: dict[int, str] = {}
    for one in telling:
        ranked.setdefault(one.i, one.why)
    return dict(list(ranked.items())[:SHOTS])


def backdrop_of(job: Job, known: Known) -> int:
    """The item that zones and lines are drawn over; NONE where a heat picture shows them."""
    shapes = job.recipe.zones or job.recipe.lines
    first = known.survey.first_ok
    return first if shapes and first is not None and not known.reduced.heats else NONE


def lines_at(results: Path, numbers: set[int]) -> Iterator[dict[str, Any]]:
    """The lines of these items that show something. Raises StorageError."""
    with storage_errors(results), open(results, "rb") as file:
        for line in file:
            if item_number(line) in numbers:
                record = parsed(line)
                if "width" in record:
                    yield record


def small_pictures(
    job: Job, wanted: Iterable[Small], worker: Worker, beat: Progress
) -> dict[Small, bytes]:
    """Small pictures, those from the last time as they are; what cannot be opened here is left out.

    Raises StorageError where they cannot be written, and as `Progress.step`.
    """
    folder = worker.jobs.path(job.job_id) / "thumbs"
    with storage_errors(folder, CANNOT_WRITE):
        folder.mkdir(exist_ok=True)
        there = {path.name: path for path in folder.glob("*.jpg")}  # not another's draft
        kept = {small: there.pop(name_of(small), None) for small in wanted}
        found = {small: path.read_bytes() for small, path in kept.items() if path}
        for path in there.values():
            path.unlink(missing_ok=True)
    missing = [small for small in kept if not found.get(small)]  # a power cut may have emptied one
    for small, content in made(job, sorted(missing), worker, beat):
        with storage_errors(folder, CANNOT_WRITE), replaced(folder / name_of(small)) as file:
            file.write(content)
        found[small] = content
    return found


def made(
    job: Job, missing: list[Small], worker: Worker, beat: Progress
) -> Iterator[tuple[Small, bytes]]:
    """Small pictures of items whose files can be read here."""
    if not missing:
        return
    numbers = sorted({i for i, _ in missing})
    plan = worker.jobs.plan(job)
    items = {item.i: item for item in read_items(worker.jobs.manifest(job.job_id), plan, numbers)}
    with worker.reading([], beat) as files:
        for i, side in missing:
            content = small_picture(items[i], side, files, worker) if i in items else b""
            if content:
                yield (i, side), content


def small_picture(item: Item, side: int, files: Files, worker: Worker) -> bytes:
    """An item's picture; nothing where it cannot be opened here: the results do not wait for it."""
    try:
        taken = files.take(item)
    except StorageError:
        return b""
    picture = decode(taken, item.name, side, worker.image_limit_mp)
    return thumb(picture) if isinstance(picture, Picture) else b""


def heat_scenes(job: Job, reduced: Reduced, worker: Worker) -> Iterator[Scene]:
    """The heat pictures that were drawn, no larger than the page."""
    for heat in reduced.heats:
        path = worker.jobs.path(job.job_id) / "pictures" / f"{heat.name}.png"
        with storage_errors(path):
            content = path.read_bytes() if path.exists() else b""
        picture = decode(Blob(content), path.name, SCENE_SIDE)
        if isinstance(picture, Picture):
            yield Scene(thumb(picture), picture.width, picture.height, heat.name)


def name_of(small: Small) -> str:
    """What a small picture's file is called."""
    return f"{small[0]:06d}-{small[1]}.jpg"
