"""A recipe's rolling jobs to the chunks that are published, and those worth waiting for.

Chunk files are the outbox: they appear whole, never change, and stay until the job is removed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from nasfarm.core.ranges import Ranges, end_of, minus, numbers_in, ranges_of
from nasfarm.errors import RejectError
from nasfarm.jobs.store import JobStore
from nasfarm.storage.atomic import storage_errors

HOLD_S = 10.0
"""So long a chunk waits for those planned before it. Chunks of one burst are done within seconds of
each other; one that takes longer is stuck, and must not keep the others' notices back."""

RELIST_S = 5.0
"""A folder is listed when its time of change says so, and this often whatever it says: a share may
answer from its memory."""

FIND_S = 60.0
"""Jobs are found by their names; this often also by a listing of all jobs, which may be 100,000."""


@dataclass(frozen=True, slots=True)
class Day:
    """One rolling job. day: ISO date. chunks: the published ones.

    awaited: chunks that are planned but not published, and before which nothing later is told.
    whole: the job is sealed, and every planned chunk is published.
    """

    job_id: str
    day: str
    chunks: Ranges
    awaited: tuple[int, ...] = ()
    whole: bool = False


@dataclass(slots=True)
class _Seen:
    """What was last seen of a job's folder, and when on our clock."""

    day: str
    chunks: Ranges = ()
    changed_ns: int = -1
    listed_s: float = float("-inf")
    settled: bool = False
    planned: int = 0
    planned_s: float = float("-inf")
    sealed: bool = False


class Outbox:
    """The published chunks of one recipe, looked at again and again; cheap where nothing is new."""

    def __init__(self, store: JobStore, recipe: str, hold_s: float = HOLD_S) -> None:
        self._store = store
        self._recipe = recipe
        self._hold_s = hold_s
        self._seen: dict[str, _Seen] = {}
        self._found_s = float("-inf")
        self._missing_since_s: dict[tuple[str, int], float] = {}

    def look(self, floor: str, today: date, clock_s: float) -> tuple[Day, ...]:
        """The days from `floor` (ISO date) on that have a job, the oldest first.

        clock_s: any clock that only goes forward. Raises StorageError.
        """
        self._find(today, clock_s)
        for job_id in [job_id for job_id, seen in self._seen.items() if seen.day < floor]:
            del self._seen[job_id]
        order = sorted(self._seen, key=lambda job_id: (self._seen[job_id].day, job_id))
        order = [job_id for job_id in order if self._list(job_id, clock_s)]
        awaited = self._await(order, today.isoformat(), clock_s)
        return tuple(self._day(job_id, awaited.get(job_id, ())) for job_id in order)

    def _find(self, today: date, clock_s: float) -> None:
        names = [
            f"watch-{self._recipe}-{today + timedelta(days)}" for days in (-1, 0, 1)
        ]  # a day each way: another machine's clock or time zone may say so
        if clock_s - self._found_s >= FIND_S:
            names = self._store.ids()
            self._found_s = clock_s
        pattern = re.compile(rf"watch-{re.escape(self._recipe)}-(\d{{4}}-\d\d-\d\d)(?!\d).*")
        for name in names:
            match = pattern.fullmatch(name)
            if match and name not in self._seen and self._store.exists(name):
                self._seen[name] = _Seen(match[1])

    def _list(self, job_id: str, clock_s: float) -> bool:
        """Look at the chunks of one job; False where it has been removed."""
        seen = self._seen[job_id]
        folder = self._store.path(job_id) / "chunks"
        with storage_errors(folder):
            try:
                # Opening it makes a share ask its server; a mere stat may answer from its memory.
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                del self._seen[job_id]
                return False
            try:
                changed_ns = os.fstat(handle).st_mtime_ns
                if self._may_differ(seen, changed_ns, clock_s):
                    seen.chunks = ranges_of(_numbers(os.listdir(handle)))
                    seen.settled = changed_ns == seen.changed_ns
                    seen.changed_ns, seen.listed_s = changed_ns, clock_s
            finally:
                os.close(handle)
        return True

    @staticmethod
    def _may_differ(seen: _Seen, changed_ns: int, clock_s: float) -> bool:
        """Whether a folder must be listed: it changed, or had when we last looked, as two changes
        within one tick of the file server's clock look like one.
        """
        settled = seen.settled and changed_ns == seen.changed_ns
        return not settled or clock_s - seen.listed_s >= RELIST_S

    def _await(
        self, order: Sequence[str], today: str, clock_s: float
    ) -> dict[str, tuple[int, ...]]:
        """The chunks each job still waits for: missed since less than `hold_s`."""
        missing: dict[tuple[str, int], float] = {}
        later = False  # whether a later day has published something
        for job_id in reversed(order):
            seen = self._seen[job_id]
            if later or seen.day < today:
                self._look_at_plan(job_id, clock_s)
            end = max(end_of(seen.chunks), seen.planned if later else 0)
            for number in numbers_in(minus(((0, end),), seen.chunks)):
                key = job_id, number
                missing[key] = self._missing_since_s.get(key, clock_s)
            later = later or bool(seen.chunks)
        self._missing_since_s = missing
        held: dict[str, list[int]] = {}
        for (job_id, number), since_s in missing.items():
            if clock_s - since_s < self._hold_s:
                held.setdefault(job_id, []).append(number)
        return {job_id: tuple(numbers) for job_id, numbers in held.items()}

    def _look_at_plan(self, job_id: str, clock_s: float) -> None:
        """How many chunks a past day has: read until it is sealed, and then no more."""
        seen = self._seen[job_id]
        complete = seen.sealed and seen.chunks == ranges_of(range(seen.planned))
        if complete or clock_s - seen.planned_s < RELIST_S:
            return
        seen.planned_s = clock_s
        seen.sealed = self._store.sealed(job_id)  # before the plan: what is sealed grows no more
        try:
            plan = self._store.plan(self._store.load(job_id))
        except RejectError:  # damaged, or of a newer release: its chunks are there to be read
            seen.planned = end_of(seen.chunks)
        else:
            seen.planned = max((segment.end for segment in plan), default=0)

    def _day(self, job_id: str, awaited: tuple[int, ...]) -> Day:
        seen = self._seen[job_id]
        whole = seen.sealed and seen.chunks == ranges_of(range(seen.planned))
        return Day(job_id, seen.day, seen.chunks, awaited, whole)


def _numbers(names: Sequence[str]) -> list[int]:
    found = (name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl"))
    return [int(number) for number in found if number.isdecimal()]
