"""Result lines of dropped files → those that failed in `quarantine/`, each with its reason."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasfarm.core import wire
from nasfarm.errors import RejectError
from nasfarm.jobs.dropped import Day, leads_out
from nasfarm.jobs.failures import Failure
from nasfarm.storage.atomic import CANNOT_WRITE, replaced, storage_errors

ENDING = ".reason.json"
LONGEST = 255 - len(ENDING)
"""Bytes of a file name that leave room for the ending."""

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a dropped file is here. i: which item of the job. attempts: 0 where that is not known."""

    code: str
    message: str
    job: str
    item: str
    i: int
    attempts: int = 0


def sort_out(day: Day, job_id: str, lines: Iterable[Line], failures: Mapping[int, Failure]) -> None:
    """Put files that failed into quarantine, and take out those that went well when tried again.

    A file stays where it was taken: here it gets a second name (a copy where the disk has no hard
    links). failures: by item number. The same lines again change nothing. Raises StorageError.
    """
    for line in lines:
        file = day.file_of(line["item"])
        if file is None or len(os.fsencode(file.name.name)) > LONGEST:
            continue
        place = day.quarantine / file.name
        with storage_errors(place, CANNOT_WRITE):
            if line["status"] != "error":
                _release(place, line["i"], day)
            elif not leads_out(place.parent, day.quarantine):
                known = failures.get(line["i"])
                attempts = known.attempts if known else 0
                _confine(file.path, place, Reason(
                    line["error"]["code"], line["error"]["message"], job_id, line["item"],
                    line["i"], attempts,
                ))  # fmt: skip


def _confine(file: Path, place: Path, reason: Reason) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    _second_name(file, place)
    note, content = _note(place), wire.encode_pretty(reason)
    if _read(note) != content:
        with replaced(note) as out:
            out.write(content)


def _second_name(file: Path, place: Path) -> None:
    try:
        if place.exists() or not stat.S_ISREG(file.lstat().st_mode):
            return
        os.link(file, place, follow_symlinks=False)
    except FileNotFoundError:  # error `missing`: there is only the reason
        return
    except FileExistsError:
        return
    except OSError:  # a share, or another disk
        with open(file, "rb") as source, replaced(place) as copy:
            shutil.copyfileobj(source, copy)


def _release(place: Path, i: int, day: Day) -> None:
    """A line of another frame of the same video does not take its file out."""
    note = _read(_note(place))
    if not note or leads_out(place.parent, day.quarantine):
        return
    try:
        reason = wire.decode(Reason, note, str(place))
    except RejectError:  # cut off by a power cut
        return
    if reason.i == i:
        place.unlink(missing_ok=True)
        _note(place).unlink(missing_ok=True)


def _note(place: Path) -> Path:
    return place.with_name(place.name + ENDING)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
