"""Paths that a user names to the files that become items, one by one, and a tally of the rest.

Paths are resolved before their root is chosen, so a link cannot lead out of every root unseen.
"""

from __future__ import annotations

import glob
import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from nasfarm.core.items import Found, address
from nasfarm.core.jobs import Skipped
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.intake.names import is_image, is_system

log = logging.getLogger(__name__)

Locate = Callable[[str], tuple[str, bytes] | None]
"""A resolved path to its root's name and the path below it; None where no root holds it."""


@dataclass(slots=True)
class Tally:
    """What a scan left out, counted as it goes."""

    not_a_file: int = 0
    outside_root: int = 0
    system: int = 0
    other_type: int = 0
    walked: set[tuple[int, int]] = field(default_factory=set)
    """Device and inode of every folder walked: a link back up does not walk for ever."""

    def skipped(self, done: int = 0) -> Skipped:
        return Skipped(done, self.not_a_file, self.outside_root, self.system, self.other_type)


def scan(arguments: Iterable[str], locate: Locate, tally: Tally) -> Iterator[Found]:
    """Yield a Found for every image that the arguments name: files, folders, glob patterns.

    A file reached by two arguments is yielded twice. Raises RejectError for an argument that does
    not exist, lies outside every root, or is neither a file nor a folder.
    """
    for argument in arguments:
        if os.path.lexists(argument):
            yield from _named(argument, locate, tally)
        elif glob.has_magic(argument):
            yield from _matching(argument, locate, tally)
        else:
            raise _no_such_path(argument)


def _named(argument: str, locate: Locate, tally: Tally) -> Iterator[Found]:
    """What the user names outright must be usable, or the whole request is refused."""
    path = os.path.realpath(argument)
    try:
        status = os.stat(path)
    except OSError as error:
        raise RejectError(f"{argument}: {error.strerror}. Name a file or a folder.") from error
    place = locate(path)
    if place is None:
        folder = path if stat.S_ISDIR(status.st_mode) else os.path.dirname(path)
        raise RejectError(
            f"{argument}: lies in {folder}, which is in none of the farm's roots. "
            f"Add it first: farm roots add NAME {folder}",
            code="outside_root",
        )
    if stat.S_ISDIR(status.st_mode):
        yield from _walk(path, locate, tally)
    elif stat.S_ISREG(status.st_mode):
        yield Found(address(*place), status.st_size, status.st_mtime_ns)
    else:
        raise RejectError(f"{argument}: is neither a file nor a folder. Name files or folders.")


def _matching(pattern: str, locate: Locate, tally: Tally) -> Iterator[Found]:
    """What a pattern matches is treated like the content of a folder."""
    matched = False
    for path in sorted(glob.iglob(pattern, recursive=True)):
        matched = True
        yield from _found(path, os.path.basename(path), locate, tally)
    if not matched:
        raise RejectError(f"{pattern}: nothing matches this pattern. Check it with: ls {pattern}")


def _walk(folder: str, locate: Locate, tally: Tally) -> Iterator[Found]:
    """Everything below a resolved folder, in the order of names, folders within folders."""
    place = locate(folder)
    if place is None or not _first_visit(folder, tally):
        return
    root, below = place
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        tally.not_a_file += 1
        log.warning(
            "folder cannot be read, left out",
            extra={"action": "scan_folder", "place": folder, "reason": error.strerror},
        )
        return
    prefix = below + b"/" if below else b""
    for entry in entries:
        if entry.is_symlink() or entry.is_dir(follow_symlinks=False) or is_system(entry.name):
            yield from _found(entry.path, entry.name, locate, tally)
        elif not entry.is_file(follow_symlinks=False):
            tally.not_a_file += 1
        elif not is_image(entry.name):
            tally.other_type += 1
        else:
            yield from _file(entry, root, prefix, tally)


def _file(entry: os.DirEntry[str], root: str, prefix: bytes, tally: Tally) -> Iterator[Found]:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:  # gone since the folder was listed
        tally.not_a_file += 1
        return
    name = prefix + os.fsencode(entry.name)
    yield Found(address(root, name), status.st_size, status.st_mtime_ns)


def _found(path: str, name: str, locate: Locate, tally: Tally) -> Iterator[Found]:
    """One entry by its path: links resolved, folders walked, everything else counted."""
    if is_system(name):
        tally.system += 1
        return
    target = os.path.realpath(path)
    try:
        status = os.stat(target)
    except OSError:
        tally.not_a_file += 1
        return
    place = locate(target)
    if place is None:
        tally.outside_root += 1
    elif stat.S_ISDIR(status.st_mode):
        yield from _walk(target, locate, tally)
    elif not stat.S_ISREG(status.st_mode):
        tally.not_a_file += 1
    elif not is_image(name):
        tally.other_type += 1
    else:
        yield Found(address(*place), status.st_size, status.st_mtime_ns)


def _first_visit(folder: str, tally: Tally) -> bool:
    status = os.stat(folder)
    key = (status.st_dev, status.st_ino)
    if key in tally.walked:
        return False
    tally.walked.add(key)
    return True


def _no_such_path(argument: str) -> RejectError:
    folder, name = os.path.split(argument)
    try:
        there = os.listdir(folder or ".")
    except OSError:
        return RejectError(f"{argument}: there is no such file or folder.", code="unknown_name")
    return UnknownNameError.of("file or folder", name, there, f"(looked in {folder or os.getcwd()})")
