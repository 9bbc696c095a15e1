"""A chunk's lines to its file: complete, on disk, and under its final name exactly once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nasfarm.core import wire
from nasfarm.core.lines import Line
from nasfarm.storage.atomic import publish_file


def publish(path: Path, lines: Iterable[Line]) -> bool:
    """Publish; False where another worker's file is there already, which then is the result.

    Raises StorageError: then nothing has appeared under the final name.
    """
    return publish_file(path, b"".join(wire.line_bytes(line) for line in lines))
