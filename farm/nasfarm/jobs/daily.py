"""A rolling job's new chunks → sidecars, the day's CSV and quarantine: where people look.

All of it is made from the job's lines and can be made anew: where a disk refuses it, work goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nasfarm.core import wire
from nasfarm.core.ranges import Ranges, numbers_in, ranges_of
from nasfarm.errors import RejectError, StorageError
from nasfarm.jobs.dropped import Day
from nasfarm.jobs.export import write_csv
from nasfarm.jobs.failures import failures_of
from nasfarm.jobs.quarantine import sort_out
from nasfarm.jobs.results import chunk_lines, parsed
from nasfarm.jobs.sidecars import write_sidecars
from nasfarm.jobs.store import JobStore
from nasfarm.storage.atomic import CANNOT_WRITE, replaced, storage_errors

log = logging.getLogger(__name__)


def show_day(
    jobs: JobStore, job_id: str, day: Day, step: Callable[[], None], *,
    sidecars: bool, daily_csv: bool, last: bool = False,
) -> bool:  # fmt: skip
    """Show the chunks that were not shown before; False where the disk refused it: call again.

    Call it when results.jsonl has been written. step: called after each chunk. last: the day is
    over; every chunk is looked at again, because a power cut may have emptied a file.
    """
    shown = set() if last else _shown(_file(jobs, job_id))
    try:
        done = jobs.done_chunks(job_id)
        fresh = sorted(done - shown)  # in this order: what a retry says comes after what it mends
        if not fresh:
            return True
        failures = failures_of(jobs.path(job_id))
        for number in fresh:
            lines = [parsed(line) for line in chunk_lines(jobs.chunk_file(job_id, number))]
            if sidecars:
                write_sidecars(day, lines)
            sort_out(day, job_id, lines, failures)
            step()
        if daily_csv:
            write_day(day, jobs.results(job_id))
        path = _file(jobs, job_id)
        with storage_errors(path, CANNOT_WRITE), replaced(path) as file:
            file.write(wire.encode(ranges_of(done)))
    except StorageError as error:
        fields = {"action": "not_shown", "job": job_id, "reason": str(error)}
        log.warning("results not put beside the dropped files, trying again", extra=fields)
        return False
    return True


def write_day(day: Day, results: Path) -> None:
    """Write the day's lines as CSV, in one step. Raises StorageError."""

    def lines() -> Iterator[dict[str, Any]]:
        with open(results, "rb") as file:
            yield from map(parsed, file)

    with storage_errors(day.csv, CANNOT_WRITE):
        day.csv.parent.mkdir(parents=True, exist_ok=True)
        with replaced(day.csv) as file:
            write_csv(lines, file)


def _file(jobs: JobStore, job_id: str) -> Path:
    return jobs.path(job_id) / ".shown.json"


def _shown(path: Path) -> set[int]:
    """Numbers of the chunks that were shown; none where nothing says so."""
    try:
        return set(numbers_in(wire.decode(Ranges, path.read_bytes(), str(path))))
    except (OSError, RejectError):
        return set()
