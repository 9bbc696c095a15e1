"""Published chunk files to result lines: every item once, in manifest order, newest generation."""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nasfarm.core import wire
from nasfarm.core.jobs import Segment
from nasfarm.jobs.store import JobStore
from nasfarm.storage.atomic import CANNOT_WRITE, storage_errors, written


def merged(store: JobStore, job_id: str, plan: Sequence[Segment]) -> Iterator[bytes]:
    """The newest line of every item that has one, in manifest order. Raises StorageError."""
    return (line for _, line in located(store, job_id, plan))


def joined(
    store: JobStore, job_id: str, plan: Sequence[Segment], fresh: Container[int]
) -> Iterator[bytes]:
    """As `merged`, from results.jsonl as it is and the chunks that it does not hold yet: of a
    rolling job these are few. Raises StorageError.
    """
    path = store.results(job_id)
    with storage_errors(path), open(path, "rb") as file:
        old = ((item_number(line), 1, line) for line in file)
        come = ((item_number(line), 0, line) for _, line in located(store, job_id, plan, fresh))
        last = -1
        for i, _, line in heapq.merge(come, old, key=lambda entry: entry[:2]):
            if i != last:
                yield line
                last = i


def located(
    store: JobStore, job_id: str, plan: Sequence[Segment], only: Container[int] | None = None
) -> Iterator[tuple[int, bytes]]:
    """As `merged`, each line with the number of its chunk; `only` of these chunks, if any are
    given. Raises StorageError.
    """
    generations: dict[int, list[Segment]] = {}
    for segment in plan:
        generations.setdefault(segment.generation, []).append(segment)
    streams = [
        _numbered(store, job_id, segments, generation, only)
        for generation, segments in generations.items()
    ]
    last = -1
    for i, _, chunk, line in heapq.merge(*streams, key=lambda entry: entry[:2]):
        if i != last:
            yield chunk, line
            last = i


def _numbered(
    store: JobStore,
    job_id: str,
    segments: Iterable[Segment],
    generation: int,
    only: Container[int] | None,
) -> Iterator[tuple[int, int, int, bytes]]:
    """(item number, −generation, chunk, line) of one generation, which ascends in item numbers."""
    for segment in segments:
        for number in range(segment.first, segment.end):
            if only is not None and number not in only:
                continue
            for line in chunk_lines(store.chunk_file(job_id, number)):
                yield item_number(line), -generation, number, line


def chunk_lines(path: Path) -> list[bytes]:
    """The lines of a published chunk; none where it is not there yet. Raises StorageError."""
    with storage_errors(path):
        try:
            return path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []


def chunk_tally(path: Path) -> tuple[int, int]:
    """How many lines of a chunk are good, and how many are errors. Raises StorageError."""
    return count(chunk_lines(path))


def count(lines: Iterable[bytes]) -> tuple[int, int]:
    """How many of the lines are good, and how many are errors."""
    ok = errors = 0
    for line in lines:
        if is_error(line):
            errors += 1
        else:
            ok += 1
    return ok, errors


def item_number(line: bytes) -> int:
    """The `i` of a result line, which always comes first."""
    return int(line[5 : line.index(b",")])


def is_error(line: bytes) -> bool:
    """Whether a result line says that its item failed."""
    return bool(parsed(line)["status"] == "error")


def parsed(line: bytes) -> dict[str, Any]:
    """A result line as its JSON document."""
    return wire.decode(dict[str, Any], line, "result line")


def write_results(path: Path, lines: Iterable[bytes]) -> None:
    """Write results.jsonl in one step. Raises StorageError."""
    with storage_errors(path, CANNOT_WRITE), written(path) as file:
        file.writelines(lines)
