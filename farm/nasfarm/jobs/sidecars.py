"""Result lines of dropped files → `<file name>.json` beside each file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nasfarm.core import wire
from nasfarm.core.items import is_video
from nasfarm.errors import RejectError
from nasfarm.jobs.dropped import Day, leads_out
from nasfarm.storage.atomic import CANNOT_WRITE, replaced, storage_errors

ENDING = ".json"
LONGEST = 255 - len(ENDING)
"""Bytes of a file name that leave room for the ending."""

Line = Mapping[str, Any]


def write_sidecars(day: Day, lines: Iterable[Line]) -> int:
    """Write what is said of each dropped file; returns how many files have changed.

    A picture has its line, a video a list with a line for each frame, which grows with the lines
    that come. The same lines again write nothing. Raises StorageError.
    """
    files: dict[Path, list[Line]] = {}
    inside: dict[Path, bool] = {}
    for line in lines:
        file = day.file_of(line["item"])
        if file is None or len(os.fsencode(file.name.name)) > LONGEST:
            continue
        files.setdefault(file.path, []).append(line)
        inside.setdefault(file.path.parent, not leads_out(file.path.parent, file.top))
    return sum(
        _write(path.with_name(path.name + ENDING), said)
        for path, said in files.items()
        if inside[path.parent]
    )


def _write(path: Path, said: Sequence[Line]) -> bool:
    with storage_errors(path, CANNOT_WRITE):
        try:
            old = path.read_bytes()
        except FileNotFoundError:
            if not path.parent.is_dir():  # it went by the keep rules
                return False
            old = b""
        new = _rows(old, said) if is_video(path.stem) else wire.encode_pretty(said[-1])
        if new == old:
            return False
        with replaced(path) as file:
            file.write(new)
    return True


def _rows(old: bytes, said: Sequence[Line]) -> bytes:
    """The lines of a video, those that were there and those that came; a row each."""
    lines = {line["i"]: line for line in [*_lines(old), *said]}
    rows = (wire.encode(lines[i]) for i in sorted(lines))
    return b"[\n" + b",\n".join(rows) + b"\n]\n"


def _lines(old: bytes) -> Sequence[Line]:
    try:
        return wire.decode(list[dict[str, Any]], old, "sidecar")
    except RejectError:  # not there yet, or cut off by a power cut
        return []
