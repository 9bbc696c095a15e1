"""Items to chunks to queues. Pure: no clock, disk or broker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from nasfarm.core.jobs import Chunk, Priority, Segment
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
    runs: Iterable[Run], sizes: Sizes, offset_of: Callable[[int], int]
) -> tuple[Segment, ...]:
    """The first plan of a job: each root's items in large chunks first, in small ones at its end.

    Chunks are numbered through from 0. offset_of: item number → byte of the manifest.
    """
    segments: list[Segment] = []
    first = 0
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
    generation = 1 + max(segment.generation for segment in plan)
    segments: list[Segment] = []
    first = plan[-1].end
    for root, items in groupby(sorted(failed), key=lambda i: segment_of(plan, i).root):
        picked = tuple(items)
        size = sizes.even(len(picked))
        segment = Segment(first, root, 0, 0, size, 0, generation, picked)
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
