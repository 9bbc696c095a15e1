"""Leases and hints: the right to run a chunk, and the message that says it may need work. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nasfarm.core.lease_rules import CAREFUL_FROM, Held

REDUCE = -1
"""The chunk number that stands for a job's reduce step: leased and hinted like any other."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A queue message: chunk `chunk` of job `job_id` may need work.

    recipe, images: what a monitor shows of it. The reduce step is about all of a job's images.
    """

    job_id: str
    chunk: int
    queue: str
    recipe: str = ""
    images: int = 0


class Refusal(StrEnum):
    """Why a claim is not granted: go and take the next hint.

    dead: workers end with this chunk before they reach an image; its job cannot be finished.
    """

    DONE = "done"
    DEAD = "dead"
    LEASED = "leased"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to run one chunk. Compared by `held.fence`, for equality only."""

    job_id: str
    chunk: int
    held: Held

    @property
    def claimed_s(self) -> float:
        """When it was claimed, on the broker's clock: its fence begins with that."""
        return int(self.held.fence.partition("-")[0]) / 1e6

    @property
    def careful(self) -> bool:
        """Run image by image, each named in the lease before it begins."""
        return self.held.attempt >= CAREFUL_FROM


@dataclass(frozen=True, slots=True)
class Finished:
    """What `done` answers: whether this call was the first, the next chunk to hint, chunks left."""

    first: bool
    next_chunk: int | None
    left: int
