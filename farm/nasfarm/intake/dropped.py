"""The drop folder to what lies in it: files to take, by recipe, and the taken ones of a day."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

from nasfarm.core.items import HOME_ROOT, Found, address, is_video
from nasfarm.intake.names import is_image, is_partial, is_system
from nasfarm.intake.settle import Look, Mark
from nasfarm.storage.atomic import storage_errors

TAKEN = ".taken"


def recipe_folders(inbox: Path) -> list[str]:
    """Names of the folders in the drop folder. Raises StorageError where the home is away."""
    with storage_errors(inbox), os.scandir(inbox) as listing:
        return sorted(
            entry.name for entry in listing
            if not is_system(entry.name) and entry.is_dir(follow_symlinks=False)
        )  # fmt: skip


def loose_files(inbox: Path) -> int:
    """How many pictures and videos lie in no recipe's folder. Raises StorageError."""
    with storage_errors(inbox), os.scandir(inbox) as listing:
        return sum(1 for entry in listing if _is_wanted(entry.name) and entry.is_file())


def waiting(folder: Path) -> Iterator[Look]:
    """Every file below a recipe's folder that is meant for the farm, as it is now.

    Links are left alone, so are other kinds of files, half-written ones by their names, and the
    NAS's own. What goes or cannot be read while we look is left out.
    """
    for path, entry in _files(os.fspath(folder), ""):
        mark = mark_of(entry.path)
        if mark is not None:
            yield Look(path, mark)


def mark_of(path: str | Path) -> Mark | None:
    """What a file looks like now; None where it is gone or cannot be looked at."""
    with suppress(OSError):
        status = os.lstat(path)
        return Mark(status.st_size, status.st_mtime_ns, status.st_ino)
    return None


def _files(top: str, below: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    pending = [below]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(os.path.join(top, here)) as listing:
                entries = list(listing)
        except OSError:
            continue
        for entry in entries:
            if is_system(entry.name) or is_partial(entry.name):
                continue
            path = os.path.join(here, entry.name)
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
            elif _is_wanted(entry.name) and entry.is_file(follow_symlinks=False):
                yield path, entry


def taken_days(inbox: Path) -> Iterator[tuple[str, str]]:
    """(recipe, day) of every folder of taken files; what else lies there is nobody's day."""
    for recipe in _names(inbox / TAKEN):
        for day in _names(inbox / TAKEN / recipe):
            if _is_day(day) and (inbox / TAKEN / recipe / day).is_dir():
                yield recipe, day


def not_planned(inbox: Path, recipe: str, day: str, planned: Container[str]) -> list[Path]:
    """Pictures and videos that were taken on a day, by name, without those whose item address is in
    `planned`: of a million files all but a few are, so that is asked first.
    """
    top = os.fspath(inbox / TAKEN / recipe / day)
    above = f"{inbox.name}/{TAKEN}/{recipe}/{day}/"
    new, pending = [], [""]
    while pending:
        here = pending.pop()
        with suppress(FileNotFoundError), os.scandir(os.path.join(top, here)) as listing:
            for entry in listing:
                path = here + entry.name
                if address(HOME_ROOT, os.fsencode(above + path)) in planned:
                    continue
                if is_system(entry.name) or is_partial(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path + "/")
                elif _is_wanted(entry.name) and entry.is_file(follow_symlinks=False):
                    new.append(Path(top, path))
    return sorted(new)


def is_meant(path: str) -> bool:
    """Whether a path below a recipe's folder is a picture's or a video's; others stay there."""
    *folders, name = path.split("/")
    return _is_wanted(name) and not any(is_system(part) or is_partial(part) for part in folders)


def is_filled(path: Path) -> bool:
    """Whether the file is there and not empty: some programs make it first, and then fill it."""
    with suppress(OSError):
        return path.lstat().st_size > 0
    return False


def _is_wanted(name: str) -> bool:
    return (is_image(name) or is_video(name)) and not (is_system(name) or is_partial(name))


def found(home: Path, path: Path) -> Found | None:
    """A taken file as an item of the root `home`; None where it is gone."""
    try:
        status = path.stat(follow_symlinks=False)
    except OSError:
        return None
    relative = os.fsencode(path.relative_to(home))
    return Found(address(HOME_ROOT, relative), status.st_size, status.st_mtime_ns)


def _is_day(name: str) -> bool:
    with suppress(ValueError):
        return date.fromisoformat(name).isoformat() == name
    return False


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not is_system(name))
    except (FileNotFoundError, NotADirectoryError):
        return []
