"""What is known of failed items beside their error lines: attempts, node, what the log said.

Apart from the result lines, which say the same whichever node wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nasfarm.core import wire
from nasfarm.core.leases import Lease
from nasfarm.core.lines import Line
from nasfarm.errors import RejectError
from nasfarm.storage.atomic import write_file

_ENDING = ".failures.json"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed item. excerpt: what was seen of a worker that ended with it."""

    i: int
    attempts: int
    node: str
    excerpt: str


def note_failures(job: Path, lease: Lease, lines: Iterable[Line]) -> None:
    """Keep what is known of a chunk's failed items, if it has any. Raises StorageError."""
    held = lease.held
    failures = [
        Failure(line.i, held.attempt, held.node, held.said.get(str(line.i), ""))
        for line in lines
        if line.fault is not None
    ]
    if failures:
        write_file(_path(job, lease.chunk), wire.encode(failures))


def failures_of(job: Path) -> dict[int, Failure]:
    """Item number → what is known of its failure; the newest where an item failed again."""
    known: dict[int, Failure] = {}
    paths = (job / "chunks").glob("*" + _ENDING)
    for path in sorted(paths, key=lambda path: int(path.name.removesuffix(_ENDING))):
        try:
            found = wire.decode(list[Failure], path.read_bytes(), str(path))
        except (OSError, RejectError):  # it says more than the line, but the line counts
            continue
        known |= {one.i: one for one in found}
    return known


def _path(job: Path, chunk: int) -> Path:
    return job / "chunks" / f"{chunk}{_ENDING}"
