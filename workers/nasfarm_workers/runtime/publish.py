"""A chunk's lines to its file: complete, on disk, and under its final name exactly once.

Embeddings lie beside it, and are there before: who sees the lines sees them too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nasfarm.core import wire
from nasfarm.core.lines import Line
from nasfarm.errors import RejectError
from nasfarm.jobs.vectors import completed, decoded, encoded
from nasfarm.storage.atomic import publish_by_rename, publish_file, storage_errors, write_file


def publish(
    path: Path, lines: Sequence[Line], *, links: bool, fence: str, confirm: Callable[[], None]
) -> bool:
    """Publish; False where another worker's file is there already, which then is the result.

    lines: of every item of the chunk, in its order: an embedding's row is its item's place in it.
    links: whether the share takes hard links, by which exactly one of several writers wins. Where
    it does not, `confirm` makes sure that the lease `fence` is still ours.
    Raises StorageError: then nothing has appeared under the final name.
    """
    content = b"".join(wire.line_bytes(line, row) for row, line in enumerate(lines))
    vectors = [line.vector for line in lines]
    if any(vectors):
        confirm()
        _publish_vectors(path.with_suffix(".npy"), vectors, links)
    if links:
        confirm()
        return publish_file(path, content)
    return publish_by_rename(path, content, fence, confirm)


def _publish_vectors(path: Path, rows: Sequence[bytes], links: bool) -> None:
    """Publish, or add to what another worker left there the rows that it lacks.

    A worker that died, or lost its lease, may have published its embeddings and not its lines. An
    image that failed for it may be fine for us: then the file lacks a row that our lines name. Rows
    that are there stay, so whichever worker's lines win, theirs are there.
    """
    if links and publish_file(path, encoded(rows)):
        return
    with storage_errors(path):
        there = path.read_bytes() if path.exists() else b""
    try:
        before = decoded(there, str(path))
    except RejectError:  # nothing, or nothing whole
        before = [b""] * len(rows)
    if completed(rows, before) != before:
        write_file(path, encoded(completed(rows, before)))
