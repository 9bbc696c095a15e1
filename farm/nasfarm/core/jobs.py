"""Jobs: the request, its plan and its state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nasfarm.core.recipes import FOUND, ResolvedRecipe
from nasfarm.core.reduced import Fact

FORMAT = 1
"""Format of the job folder; older ones are read or migrated."""

GROWING_FORMAT = 2
"""Of a job that grows, or has frames of videos: versions that know no such job leave it."""

NEWEST_FORMAT = 3
"""Of a job whose recipe has a reduce of its own, or a gate."""


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


def newest_generation(plan: Iterable[Segment]) -> int:
    """0, or how often a job's failed items were handed in again."""
    return max((segment.generation for segment in plan), default=0)


def end_of_plan(plan: Sequence[Segment]) -> int:
    """How many chunks there are. A rolling job begins with none."""
    return plan[-1].end if plan else 0


def items_in(plan: Iterable[Segment]) -> int:
    """How many items there are, each once however often it was handed in again."""
    return sum(segment.items for segment in plan if not segment.picked)


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

    @property
    def told(self) -> str:
        """`done before (3), not a picture (1)`; empty where nothing was left out."""
        reasons = (
            (self.done, "done before"), (self.not_a_file, "not a file"),
            (self.outside_root, "outside every root"), (self.system, "hidden or the system's"),
            (self.other_type, "not a picture"),
        )  # fmt: skip
        return ", ".join(f"{reason} ({count})" for count, reason in reasons if count)


@dataclass(frozen=True, slots=True)
class Watched:
    """What makes a job a rolling one: the local day (`YYYY-MM-DD`) whose dropped files it holds.

    sidecars: each file gets its line beside it. daily_csv: the day gets a table.
    """

    day: str
    sidecars: bool = False
    daily_csv: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """job.json: the request, resolved; never rewritten. `plan` holds generation 0; of a rolling
    job (`watched`) both are empty, and plan.jsonl holds the plan.

    frames: so many of the items are frames of videos; of a rolling job it is not known.
    finish_by: its deadline; None: as soon as possible.
    """

    job_id: str
    key: str
    created_at: str
    recipe: ResolvedRecipe
    priority: Priority
    items: int
    bytes: int
    skipped: Skipped
    plan: tuple[Segment, ...]
    watched: Watched | None = None
    frames: int = 0
    finish_by: datetime | None = None

    @property
    def format(self) -> int:
        """The format of its folder."""
        if self.recipe.reduce != FOUND or self.recipe.gated:
            return NEWEST_FORMAT
        return GROWING_FORMAT if self.rolling or self.frames else FORMAT

    @property
    def rolling(self) -> bool:
        """Whether the job grows: its manifest and plan are appended to until its day is over."""
        return self.watched is not None

    @property
    def by_s(self) -> float | None:
        """Its deadline in seconds since 1970; None where it has none."""
        return self.finish_by.timestamp() if self.finish_by else None

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
    facts: tuple[Fact, ...] = ()
    """What the recipe's reduce says."""
    times: tuple[tuple[str, int], ...] = ()
    """Where the times of items come from (`exif`, `name`, `video`, `mtime`) and of how many."""
    notes: tuple[str, ...] = ()
    """Sentences that a reader should know."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """refreshed.json of a rolling job: which chunks its results.jsonl holds, as runs start..end.

    sealed: the day was over then, so nothing was left to come. bytes: how long results.jsonl was.
    """

    chunks: tuple[tuple[int, int], ...] = ()
    sealed: bool = False
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """pace.json: how fast the job went. Apart from the summary, which is the same on every run.

    images_per_slot_s: of one slot at work, however many there were, and without their waiting.
    """

    images_per_s: float | None
    images_per_slot_s: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A job as `status` shows it: images a second since the first claim, seconds still to go.

    finish_by: the job's. soonest: when it would be done with every slot there is, where that is
    too late.
    """

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
    finish_by: datetime | None = None
    soonest: datetime | None = None
