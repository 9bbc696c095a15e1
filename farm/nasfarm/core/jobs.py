"""Jobs: the request, its plan and its state. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nasfarm.core.recipes import ResolvedRecipe

FORMAT = 1
"""Format of the job folder; older ones are read or migrated."""


class State(StrEnum):
    """What a job is doing. done: every item has a line. failed: it cannot be finished."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class Priority(StrEnum):
    """Which queue a job's chunks go to."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of chunks of one root, the unit in which a plan is written.

    Chunks are numbered from `first`. Without `picked` they hold the items start..stop in manifest
    order, `size` each; `offset` is the byte in manifest.jsonl where item `start` begins.
    With `picked` (a retry) they hold just those item numbers, `size` each.
    """

    first: int
    root: str
    start: int
    stop: int
    size: int
    offset: int
    generation: int = 0
    picked: tuple[int, ...] = ()

    @property
    def items(self) -> int:
        return len(self.picked) if self.picked else self.stop - self.start

    @property
    def chunks(self) -> int:
        return -(-self.items // self.size)

    @property
    def end(self) -> int:
        """The number after this segment's last chunk."""
        return self.first + self.chunks


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one hint names: some items of one job, by number."""

    job_id: str
    number: int
    root: str
    generation: int
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """What submit saw and left out, counted by reason."""

    done: int = 0
    not_a_file: int = 0
    outside_root: int = 0
    system: int = 0
    other_type: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """job.json: the request, resolved; never rewritten. `plan` holds generation 0."""

    job_id: str
    key: str
    created_at: str
    recipe: ResolvedRecipe
    priority: Priority
    items: int
    bytes: int
    skipped: Skipped
    plan: tuple[Segment, ...]

    @property
    def roots(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(segment.root for segment in self.plan))


@dataclass(frozen=True, slots=True)
class Summary:
    """summary.json: the outcome, written last. Of the plan's generation it means: done."""

    job_id: str
    generation: int
    items: int
    ok: int
    errors: int
    found: tuple[tuple[str, int], ...]
    """Label and how often it was found over the whole job, the most frequent first."""


@dataclass(frozen=True, slots=True)
class Pace:
    """pace.json: how fast the job went. Apart from the summary, which is the same on every run."""

    images_per_s: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A job as `status` shows it: images a second since the first claim, seconds still to go."""

    job_id: str
    state: State
    items: int
    ok: int
    errors: int
    chunks: int
    chunks_done: int
    images_per_s: float | None = None
    eta_s: float | None = None
    note: str = ""
