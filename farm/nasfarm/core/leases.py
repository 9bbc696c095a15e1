"""Leases and hints: the right to run a chunk, and the message that says it may need work. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

REDUCE = -1
"""The chunk number that stands for a job's reduce step: leased and hinted like any other."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A queue message: chunk `chunk` of job `job_id` may need work."""

    job_id: str
    chunk: int
    queue: str


class Refusal(StrEnum):
    """Why a claim is not granted; each means: go and take the next hint."""

    DONE = "done"
    DEAD = "dead"
    LEASED = "leased"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to run one chunk. Compared by `fence`, for equality only.

    attempt: 1 for the first claim of this chunk. node: who holds it; `boot` is that agent's life.
    """

    job_id: str
    chunk: int
    attempt: int
    fence: str
    node: str
    boot: str
    worker: str


@dataclass(frozen=True, slots=True)
class Finished:
    """What `done` answers: whether this call was the first, the next chunk to hint, chunks left."""

    first: bool
    next_chunk: int | None
    left: int
