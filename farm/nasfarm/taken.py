"""Dropped files that hold still → taken, each by one rename → the day's job."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path, PurePath

from nasfarm.core.jobs import Job
from nasfarm.days import Days
from nasfarm.errors import RejectError
from nasfarm.intake.take import is_being_written, put_on_disk, take
from nasfarm.jobs.dropped import Day

MOST_AT_ONCE = 2000
"""Files that are taken before they are handed in: of a million the first are run soon."""


def take_in(
    days: Days, day: Day, job: Job, paths: Iterable[str], now: datetime,
    is_as_before: Callable[[str, Path], bool],
) -> int:  # fmt: skip
    """Take files and hand them in, MOST_AT_ONCE at most; returns how many were taken. One to which
    somebody goes on writing is handed in at a later look.

    paths: below the recipe's folder. is_as_before: that path, and the taken file. Raises as
    `Days.hand_in`.
    """
    days.behind.add(day)
    files = taken(days, day, paths, now)
    whole = [
        path
        for below, path in files.items()
        if not is_being_written(path) and is_as_before(below, path)
    ]
    days.hand_in(job, days.items(day, whole))
    if len(whole) == len(files):
        days.behind.discard(day)
    return len(files)


def taken(days: Days, day: Day, paths: Iterable[str], now: datetime) -> dict[str, Path]:
    """Take files: path below the recipe's folder → where each lies now, on disk."""
    files: dict[str, Path] = {}
    refused: set[str] = set()
    for below in paths:
        if len(files) == MOST_AT_ONCE:
            break
        if os.path.dirname(below) in refused or is_being_written(day.left / below):
            continue
        try:
            path = take(day.left / below, PurePath(below), day.taken, now)
        except RejectError as error:  # other folders' files are taken all the same
            days.say_once(str(error))
            refused.add(os.path.dirname(below))
            continue
        if path is not None:
            files[below] = path
    put_on_disk(files.values())
    return files
