"""Items to chunks to queues. Pure: no clock, disk or broker."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from nasfarm.core.items import HOME_ROOT
from nasfarm.core.jobs import (
    Chunk,
    Job,
    Priority,
    Segment,
    end_of_plan,
    items_in,
    newest_generation,
)
from nasfarm.core.leases import REDUCE, Hint
from nasfarm.plan.sizes import Sizes

WIRE = "v1"
"""Version of the hints; part of every queue's name, so that old workers never see new hints."""

SPAN = 4096
"""Items a segment holds at most: a worker seeks to a segment and skips at most so many lines."""


@dataclass(frozen=True, slots=True)
class Run:
    """Items start..stop of the manifest: all of one root."""

    root: str
    start: int
    stop: int


def plan_runs(
    runs: Iterable[Run], sizes: Sizes, offset_of: Callable[[int], int], first: int = 0
) -> tuple[Segment, ...]:
    """A job's first plan, or what a rolling job's is extended by: each root's items in large chunks
    first, in small ones at its end.

    Chunks are numbered through from `first`. offset_of: item number → byte of the manifest.
    """
    segments: list[Segment] = []
    for run in runs:
        start = run.start
        for size, items in sizes.cut(run.stop - run.start):
            for begin, end in _spans(start, start + items, size):
                segment = Segment(first, run.root, begin, end, size, offset_of(begin))
                segments.append(segment)
                first = segment.end
            start += items
    return tuple(segments)


def _spans(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Whole chunks of start..stop, at most SPAN items together."""
    step = max(1, SPAN // size) * size
    for begin in range(start, stop, step):
        yield begin, min(begin + step, stop)


def plan_retry(plan: Sequence[Segment], failed: Iterable[int], sizes: Sizes) -> tuple[Segment, ...]:
    """Segments of the next generation for the items `failed`, in the order of their numbers.

    All its chunks are small: what failed once may take long again, until it is given up.
    """
    generation = 1 + newest_generation(plan)
    segments: list[Segment] = []
    first = end_of_plan(plan)
    for root, items in groupby(sorted(failed), key=lambda i: segment_of(plan, i).root):
        picked = tuple(items)
        size = sizes.even(len(picked))
        segment = Segment(first, root, 0, 0, size, 0, generation, picked)
        segments.append(segment)
        first = segment.end
    return tuple(segments)


def begun_again(plan: Sequence[Segment], done: Container[int]) -> set[int]:
    """Items that a retry runs once more, in chunks that are not done yet."""
    retries = (segment for segment in plan if segment.picked)
    return {
        i for segment in retries for number in range(segment.first, segment.end)
        if number not in done for i in chunk_of("", plan, number).items
    }  # fmt: skip


def segment_of(plan: Sequence[Segment], i: int) -> Segment:
    """The segment of generation 0 that holds item `i`. Raises LookupError."""
    for segment in plan:
        if not segment.picked and segment.start <= i < segment.stop:
            return segment
    raise LookupError(f"no segment holds item {i}")


def segment_with(plan: Sequence[Segment], number: int) -> Segment | None:
    """The segment that holds chunk `number`; None where the plan has no such chunk."""
    place = bisect_right(plan, number, key=lambda segment: segment.first) - 1
    return plan[place] if place >= 0 and number < plan[place].end else None


def chunk_of(job_id: str, plan: Sequence[Segment], number: int) -> Chunk:
    """The chunk `number` with its items. Raises LookupError where the plan has none."""
    segment = segment_with(plan, number)
    if segment is None:
        raise LookupError(f"{job_id}: no chunk {number} in its plan")
    skip = (number - segment.first) * segment.size
    if segment.picked:
        items = segment.picked[skip : skip + segment.size]
    else:
        start = segment.start + skip
        items = tuple(range(start, min(start + segment.size, segment.stop)))
    return Chunk(job_id, number, segment.root, segment.generation, items)


def hint_of(job: Job, plan: Sequence[Segment], number: int) -> Hint:
    """The hint for a chunk, or for the job's reduce step, in the queue of its root.

    Raises LookupError where the plan has no such chunk.
    """
    if number == REDUCE:
        root, images = HOME_ROOT, items_in(plan)
    else:
        chunk = chunk_of(job.job_id, plan, number)
        root, images = chunk.root, len(chunk.items)
    queue = queue_name(job.priority, root)
    return Hint(job.job_id, number, queue, job.recipe.name, images)


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
