"""THE LISTING FLOW: job folders, the index of ended jobs → what `farm jobs` shows. Only calls."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path

from nasfarm.broker.client import Broker
from nasfarm.core.jobs import Progress, State, newest_generation
from nasfarm.errors import BrokerError, RejectError
from nasfarm.follow import progress
from nasfarm.home import Home
from nasfarm.jobs.ends import told_by_names
from nasfarm.jobs.index import Ended, JobIndex, open_index

FEW = 100
"""So many folders are read whatever was asked for: then the order is by the jobs themselves."""


@dataclass(frozen=True, slots=True)
class Listing:
    """jobs: the newest first; last, those whose files are damaged. more: how many are left out."""

    jobs: tuple[Progress, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A job that was looked at. created_at: empty where its files are damaged."""

    created_at: str
    progress: Progress


def jobs(
    home: Home, broker: Broker, most: int | None = None, *, open_first: bool = False
) -> Listing:
    """The newest jobs, at most so many; None: all. Raises StorageError where the home is away.

    open_first: those that have not ended stand before the others.
    """
    with open_index(home.state_dir, home.jobs.folder) as index:
        known, unknown = sorted_out(home, broker, index)
        ended = [each for each in index.newest(most) if each.job_id in known]
        strange = newest_folders(home.jobs.folder, unknown, most)
        seen = [look(job_id, home, broker, index) for job_id in strange]
        rows = [Seen(each.created_at, each.progress) for each in ended if each.progress]
        rows += filter(None, seen)
        bare = (each.job_id for each in ended if each.progress is None)
        rows += filter(None, (look(job_id, home, broker, index) for job_id in bare))
    rows.sort(key=lambda each: (each.created_at, each.progress.job_id), reverse=True)
    if open_first:
        rows.sort(key=lambda each: each.progress.state.ended)
    damaged = [each.progress for each in rows if not each.created_at]
    good = [each.progress for each in rows if each.created_at][:most]
    shown = len(good) + len(damaged)
    return Listing((*good, *damaged), len(known) + len(unknown) - seen.count(None) - shown)


def unfinished(home: Home, broker: Broker) -> list[Progress]:
    """Every job that has not ended, the newest first. Raises StorageError."""
    rows: list[Seen] = []
    with open_index(home.state_dir, home.jobs.folder) as index:
        for job_id in sorted_out(home, broker, index)[1]:
            told = told_by_names(home.jobs.folder, job_id)
            if told is not None:
                index.put(told, time.time())
            elif (seen := look(job_id, home, broker, index)) is not None:
                rows.append(seen)
    rows.sort(key=lambda each: (each.created_at, each.progress.job_id), reverse=True)
    return [each.progress for each in rows if not each.progress.state.ended]


def with_failures(home: Home, broker: Broker, most: int) -> list[str]:
    """Ids of those of the newest `most` jobs that have error lines, the newest first."""
    listed = jobs(home, broker, most).jobs
    return [each.job_id for each in listed if each.errors]


def sorted_out(home: Home, broker: Broker, index: JobIndex) -> tuple[set[str], set[str]]:
    """Ids of the jobs of which the index says that they have ended, and of all others."""
    there = set(home.jobs.ids())
    known = index.ids()
    index.sift(known, there, live_jobs(broker), home.jobs, time.time())
    return known, there - known


def live_jobs(broker: Broker) -> set[str]:
    """Ids of the jobs in Redis; none where it does not answer."""
    try:
        return broker.leases.live()
    except BrokerError:
        return set()


def look(job_id: str, home: Home, broker: Broker, index: JobIndex) -> Seen | None:
    """Read a job's folder, and keep in the index that it has ended; None where no job is there."""
    if not home.jobs.exists(job_id):
        return None
    try:
        job = home.jobs.load(job_id)
        generation = newest_generation(home.jobs.plan(job))  # before the look: a retry changes it
        now = progress(job, home, broker)
    except RejectError as error:
        return Seen("", Progress(job_id, State.FAILED, 0, 0, 0, 0, 0, note=str(error)))
    if now.state.ended:
        failed = now.state is State.FAILED
        index.put(Ended(job_id, job.created_at, generation, failed, now), time.time())
    return Seen(job.created_at, now)


def newest_folders(jobs: Path, job_ids: Iterable[str], most: int | None) -> list[str]:
    """Of many jobs that nobody here knows, those whose folders have changed last.

    On a machine's first look these are its newest, and it need not read all to show a few.
    """
    ids = list(job_ids)
    if most is None or len(ids) <= max(most, FEW):
        return ids
    above = f"{jobs}/"
    return nlargest(max(most, FEW), ids, key=lambda job_id: changed_s(above + job_id))


def changed_s(path: str) -> float:
    """When a folder last changed; 0 where it is not there."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
