"""Files that stay in the drop folder → the day's job; what was looked at is kept in mind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from nasfarm.core.items import HOME_ROOT
from nasfarm.core.jobs import Job
from nasfarm.days import Days
from nasfarm.intake.seen import Lens, Seen, opened
from nasfarm.intake.take import is_being_written
from nasfarm.jobs.dropped import Day
from nasfarm.taken import MOST_AT_ONCE

SEEN = ".seen.sqlite"


@contextmanager
def remembering(days: Days) -> Iterator[Seen]:
    """What was looked at, of what an earlier watcher handed in at last too. Raises StorageError."""
    jobs = days.home.jobs
    with opened(days.inbox / SEEN, days.home.roots[HOME_ROOT]) as seen:
        for day in days.open:
            if jobs.exists(day.job_id):
                seen.recall(_lens(jobs.load(day.job_id)), jobs.rolling(day.job_id).items())
        yield seen


def look_in_place(days: Days, seen: Seen, day: Day, job: Job, paths: Iterable[str]) -> bool:
    """Hand in those of the files that are new, MOST_AT_ONCE at most; whether there are more.

    paths: below the recipe's folder. Raises as `Days.hand_in`.
    """
    new = seen.fresh(_lens(job), (day.left / below for below in paths))
    fresh = [path for path in new if not is_being_written(path)]
    left = seen.read(_lens(job), fresh[:MOST_AT_ONCE])
    other = (each for each in left if each.found.same_as != each.found.item)
    days.hand_in(job, [item for one in other for item in days.items_of(day, one.path, one.found)])
    seen.add(_lens(job), left)
    return len(fresh) > MOST_AT_ONCE


def _lens(job: Job) -> Lens:
    return Lens(job.recipe.name, job.recipe.models)
