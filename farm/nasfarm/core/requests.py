"""What a user asks `submit` for, and what became of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nasfarm.core.jobs import Job, Priority, Skipped


@dataclass(frozen=True, slots=True)
class Request:
    """Paths or patterns, a recipe's name, `key=value` settings.

    again: run anew what was done before. new: leave out what was done before.
    every_s: of videos, one frame each so many seconds, 0: every frame, also of those in folders;
    None: every frame, only of those that are named.
    sample: so many of the items, spread over all of them, with pictures drawn; 0: all.
    finish_by: the job's deadline.
    """

    paths: tuple[str, ...]
    recipe: str
    sets: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    again: bool = False
    new: bool = False
    dry_run: bool = False
    every_s: float | None = None
    sample: int = 0
    finish_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a request. `job_id` is empty for a dry run, or where nothing was left to do.

    hinted: False where the broker went away in between; the job is queued on storage.
    whole: of a sample, how many items there are to choose from; else as many as `items`.
    """

    job_id: str
    existing: bool
    items: int
    chunks: int
    skipped: Skipped
    hinted: bool = True
    whole: int = 0

    @classmethod
    def of(
        cls, job: Job, skipped: Skipped, whole: int, *, job_id: str,
        existing: bool = False, hinted: bool = True,
    ) -> Submitted:  # fmt: skip
        """skipped: by this request, which may be another than the one that has made the job."""
        chunks = job.plan[-1].end if job.plan else 0
        return cls(job_id, existing, job.items, chunks, skipped, hinted, whole)
