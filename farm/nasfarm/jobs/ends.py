"""A job folder's file names → that the job has ended, where names alone tell it.

To read a job means to open four files and decode two; its names are one listing. Of many jobs that
nobody here knows yet, nearly all have ended.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from nasfarm.jobs.index import Ended

_CREATED = re.compile(rb'"created_at":\s*"([^"]*)"')
_WATCHED = re.compile(rb'"watched":\s*\{')


def told_by_names(jobs: Path, job_id: str) -> Ended | None:
    """A job that was cancelled, or is done without ever having been retried.

    None where the names do not tell: then the job has to be read. A rolling job has a summary long
    before its day is over, so it is one of those.
    """
    folder = f"{jobs}/{job_id}"
    try:
        names = frozenset(os.listdir(folder))
        retries = sum(name.startswith("plan.") for name in names)
        if "cancelled" not in names and (retries or "summary.json" not in names):
            return None
        with open(f"{folder}/job.json", "rb") as file:
            request = file.read()
    except OSError:
        return None
    created = _CREATED.search(request)
    if created is None or _WATCHED.search(request):
        return None
    return Ended(job_id, created[1].decode("ascii", "replace"), retries, failed=False)
