"""A chunk's lines to its file: complete, on disk, and under its final name exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from nasfarm.core import wire
from nasfarm.core.lines import Line
from nasfarm.storage.atomic import publish_by_rename, publish_file


def publish(
    path: Path, lines: Iterable[Line], *, links: bool, fence: str, confirm: Callable[[], None]
) -> bool:
    """Publish; False where another worker's file is there already, which then is the result.

    links: whether the share takes hard links, by which exactly one of several writers wins. Where
    it does not, `confirm` makes sure that the lease `fence` is still ours.
    Raises StorageError: then nothing has appeared under the final name.
    """
    content = b"".join(wire.line_bytes(line) for line in lines)
    if links:
        confirm()
        return publish_file(path, content)
    return publish_by_rename(path, content, fence, confirm)
