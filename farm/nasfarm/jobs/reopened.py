"""Retries of ended jobs ↔ marks in one folder of the home, by which every node looks again.

A node knows ended jobs by its index and reads their folders no more; a retry may come from another
node. So it leaves `jobs/.reopened/<job_id>.<generation>` before it adds that generation: what an
index says of an earlier generation no longer holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nasfarm.storage.atomic import storage_errors, sync_folder, write_file

FOLDER = ".reopened"


def mark(jobs: Path, job_id: str, generation: int) -> None:
    """Say that a job gets chunks of this generation; call it before they are there.

    Where the retry breaks off after it, the job's folder is merely read more often.
    Raises StorageError.
    """
    folder = jobs / FOLDER
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
        sync_folder(jobs)
    write_file(folder / f"{job_id}.{generation}", b"")


def marks(jobs: Path) -> dict[str, int]:
    """Job id → the highest generation a retry has begun, of all jobs. Raises StorageError."""
    found: dict[str, int] = {}
    for name in _names(jobs):
        job_id, _, generation = name.rpartition(".")
        if job_id and generation.isdecimal():
            found[job_id] = max(found.get(job_id, 0), int(generation))
    return found


def unmark(jobs: Path, gone: Iterable[str]) -> None:
    """Drop the marks of jobs that have been removed. Raises StorageError."""
    jobs_gone = frozenset(gone)
    for name in _names(jobs) if jobs_gone else ():
        if name.rpartition(".")[0] in jobs_gone:
            with storage_errors(jobs / FOLDER):
                (jobs / FOLDER / name).unlink(missing_ok=True)


def _names(jobs: Path) -> list[str]:
    with storage_errors(jobs / FOLDER):
        try:
            return os.listdir(jobs / FOLDER)
        except FileNotFoundError:
            return []
