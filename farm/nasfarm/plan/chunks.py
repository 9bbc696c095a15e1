"""Items to chunks to queues. Pure: no clock, disk or broker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from nasfarm.core.jobs import Chunk, Priority, Segment

WIRE = "v1"
"""Version of the hints; part of every queue's name, so that old workers never see new hints."""

SPREAD = 8
"""A small job is cut into about this many chunks, so that several slots can share it."""


@dataclass(frozen=True, slots=True)
class Run:
    """Items start..stop of the manifest, all of one root; `offset` is the byte where they begin."""

    root: str
    start: int
    stop: int
    offset: int


def chunk_size(items: int, most: int) -> int:
    """Items a chunk holds: `most`, or fewer where the job is small."""
    return max(1, min(most, -(-items // SPREAD)))


def plan_runs(runs: Iterable[Run], size: int) -> tuple[Segment, ...]:
    """The first plan of a job: every run becomes a segment, chunks are numbered through from 0."""
    segments: list[Segment] = []
    first = 0
    for run in runs:
        segment = Segment(first, run.root, run.start, run.stop, size, run.offset)
        segments.append(segment)
        first = segment.end
    return tuple(segments)


def plan_retry(plan: Sequence[Segment], failed: Iterable[int], size: int) -> tuple[Segment, ...]:
    """Segments of the next generation for the items `failed`, in the order of their numbers."""
    generation = 1 + max(segment.generation for segment in plan)
    segments: list[Segment] = []
    first = plan[-1].end
    for root, items in groupby(sorted(failed), key=lambda i: segment_of(plan, i).root):
        segment = Segment(first, root, 0, 0, size, 0, generation, tuple(items))
        segments.append(segment)
        first = segment.end
    return tuple(segments)


def segment_of(plan: Sequence[Segment], i: int) -> Segment:
    """The segment of generation 0 that holds item `i`. Raises LookupError."""
    for segment in plan:
        if not segment.picked and segment.start <= i < segment.stop:
            return segment
    raise LookupError(f"no segment holds item {i}")


def chunk_of(job_id: str, plan: Sequence[Segment], number: int) -> Chunk:
    """The chunk `number` with its items. Raises LookupError where the plan has none."""
    for segment in plan:
        if segment.first <= number < segment.end:
            skip = (number - segment.first) * segment.size
            if segment.picked:
                items = segment.picked[skip : skip + segment.size]
            else:
                start = segment.start + skip
                items = tuple(range(start, min(start + segment.size, segment.stop)))
            return Chunk(job_id, number, segment.root, segment.generation, items)
    raise LookupError(f"{job_id}: no chunk {number} in its plan")


def chunks_by_root(plan: Sequence[Segment]) -> dict[str, list[range]]:
    """The numbers of each root's chunks as unbroken runs, in the order in which they are hinted."""
    numbers: dict[str, list[range]] = {}
    for segment in plan:
        runs = numbers.setdefault(segment.root, [])
        if runs and runs[-1].stop == segment.first:
            runs[-1] = range(runs[-1].start, segment.end)
        else:
            runs.append(range(segment.first, segment.end))
    return numbers


def queue_name(priority: Priority, root: str) -> str:
    """The queue of one priority and root, e.g. `farm.v1.normal.photos`."""
    return f"farm.{WIRE}.{priority}.{root}"


def queue_names(roots: Iterable[str]) -> list[str]:
    """The queues a node with `roots` consumes, the most urgent first."""
    names = sorted(roots)
    return [queue_name(priority, root) for priority in Priority for root in names]
