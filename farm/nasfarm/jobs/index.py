"""Jobs that have ended ↔ a SQLite file in the state folder, so that nobody reads their folders.

A cache: storage is the truth, and a file that is gone, damaged or refused costs time, nothing else.
Why what it says still holds when other nodes retry and remove jobs: docs/adr/0016-job-index.md.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasfarm.core import wire
from nasfarm.core.jobs import Progress
from nasfarm.errors import RejectError
from nasfarm.jobs.reopened import marks
from nasfarm.jobs.store import JobStore

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 7 * 86_400.0
"""Nothing is believed longer: whoever changes a job's files by hand is seen within a week …"""
LOOKS = 20
"""… in so many jobs at a time."""

BATCH = 1000
"""Jobs written together: each write waits for the disk."""

LAYOUT = 1
_TABLE = (
    "DROP TABLE IF EXISTS ended",
    "CREATE TABLE ended (job_id TEXT PRIMARY KEY, created_at TEXT, generation INTEGER,"
    " failed INTEGER, looked_at REAL, progress BLOB)",
    "CREATE INDEX newest ON ended (created_at, job_id)",
    "CREATE INDEX looked ON ended (looked_at)",
    "CREATE INDEX retried ON ended (job_id, generation) WHERE generation > 0",
    "CREATE INDEX broken ON ended (job_id) WHERE failed",
    f"PRAGMA user_version = {LAYOUT}",
)
_PUT = (
    "INSERT INTO ended VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (job_id) DO UPDATE SET"
    " progress = coalesce(excluded.progress, iif((created_at, generation, failed) ="
    " (excluded.created_at, excluded.generation, excluded.failed), progress, NULL)),"
    " created_at = excluded.created_at, generation = excluded.generation,"
    " failed = excluded.failed, looked_at = excluded.looked_at"
)
"""Whoever looks whether a job has still ended does not ask how it went: that stays."""
_NEWEST = (
    "SELECT job_id, created_at, generation, failed, progress FROM ended"
    " ORDER BY created_at DESC, job_id DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that has ended. generation: of its plan at that time. failed: it cannot be finished.

    progress: what `farm jobs` shows; None as long as nobody has asked.
    """

    job_id: str
    created_at: str
    generation: int
    failed: bool
    progress: Progress | None = None


class JobIndex:
    """The ended jobs of one home, as far as this machine has seen them. Raises nothing."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._new: list[tuple[object, ...]] = []

    def ids(self) -> set[str]:
        """Every job it knows."""
        return {job_id for (job_id,) in self._ask("SELECT job_id FROM ended")}

    def newest(self, most: int | None) -> list[Ended]:
        """The last jobs that were handed in, the newest first; None: all."""
        rows = self._ask(_NEWEST, -1 if most is None else most)
        texts = b",".join(row[4] or b"null" for row in rows)
        try:  # all at once: there may be 100,000
            shown = wire.decode(list[Progress | None], b"[" + texts + b"]", str(self._path))
        except RejectError:  # of a release that shows other things
            shown = [None] * len(rows)
        return [
            Ended(job_id, created_at, generation, bool(failed), progress)
            for (job_id, created_at, generation, failed, _), progress in zip(
                rows, shown, strict=True
            )
        ]

    def handed_in_since(self, moment: str) -> set[str]:
        """Known jobs that were created at this time (ISO, UTC) or later."""
        rows = self._ask("SELECT job_id FROM ended WHERE created_at >= ?", moment)
        return {job_id for (job_id,) in rows}

    def sift(
        self, known: set[str], there: set[str], live: set[str], jobs: JobStore, now_s: float
    ) -> None:
        """Take out of `known`, and of the index, what may hold no longer.

        known: ids that are taken for ended. there: ids of the jobs in the home. live: those in
        Redis. Raises StorageError.
        """
        wrong = (known - there) | live | self._reopened(jobs)
        self.forget(wrong)
        known -= wrong
        # What was looked at long ago stays until somebody has looked again.
        old = "SELECT job_id FROM ended WHERE looked_at < ? ORDER BY looked_at LIMIT ?"
        known -= {job_id for (job_id,) in self._ask(old, now_s - LOOK_AGAIN_S, LOOKS)}

    def _reopened(self, jobs: JobStore) -> set[str]:
        """Jobs that were retried after the end that the index knows, if it knows any."""
        rows = self._ask("SELECT job_id, generation FROM ended WHERE generation > 0")
        seen: dict[str, int] = dict(rows)
        again = {
            job_id
            for job_id, generation in marks(jobs.folder).items()
            if seen.get(job_id, 0) < generation
        }
        rows = self._ask("SELECT job_id FROM ended WHERE failed")
        return again | {job_id for (job_id,) in rows if jobs.failure(job_id) is None}

    def put(self, job: Ended, now_s: float) -> None:
        """Remember a job that has ended, as it was seen just now."""
        shown = None if job.progress is None else wire.encode(job.progress)
        row = (job.job_id, job.created_at, job.generation, job.failed, now_s, shown)
        self._new.append(row)
        if len(self._new) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what was put. Before that, the other methods do not know of it."""
        new, self._new = self._new, []
        self._do(_PUT, new)

    def forget(self, job_ids: Iterable[str]) -> None:
        """Drop jobs: they are gone, or have to be looked at."""
        self._do("DELETE FROM ended WHERE job_id = ?", [(job_id,) for job_id in job_ids])

    def close(self) -> None:
        self.flush()
        self._connection.close()

    def _ask(self, question: str, *values: object) -> list[Any]:
        try:
            return self._connection.execute(question, values).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def _do(self, change: str, rows: list[tuple[object, ...]]) -> None:
        if not rows:
            return
        try:
            with self._connection:
                self._connection.executemany(change, rows)
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: sqlite3.Error) -> None:
        self._connection.close()
        self._connection = _without(self._path, error)


@contextmanager
def open_index(state_dir: Path, jobs: Path) -> Iterator[JobIndex]:
    """The index of the home whose job folder is `jobs`; where none can be had, an empty one."""
    path = index_file(state_dir, jobs)
    try:
        connection = _connected(path)
    except (OSError, sqlite3.Error) as error:
        connection = _without(path, error)
    with closing(JobIndex(connection, path)) as index:
        yield index


def index_file(state_dir: Path, jobs: Path) -> Path:
    """Each home has its own: one machine may work for several."""
    home = hashlib.blake2b(os.fsencode(os.path.realpath(jobs)), digest_size=6).hexdigest()
    return state_dir / "index" / f"jobs-{home}.sqlite"


def _connected(path: Path | str) -> sqlite3.Connection:
    if isinstance(path, Path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    try:
        if connection.execute("PRAGMA user_version").fetchone() != (LAYOUT,):
            with connection:
                for statement in _TABLE:
                    connection.execute(statement)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _without(path: Path, error: Exception) -> sqlite3.Connection:
    """Go on with an empty index in memory; what is damaged goes, and begins anew next time."""
    fields = {"action": "index_unusable", "path": str(path), "reason": str(error)}
    log.warning("the index of ended jobs cannot be used, reading every job", extra=fields)
    # An OperationalError is the disk's or another process' matter: full, read-only, locked.
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        for name in (path.name, f"{path.name}-journal"):
            with suppress(OSError):
                path.with_name(name).unlink(missing_ok=True)
    return _connected(":memory:")
