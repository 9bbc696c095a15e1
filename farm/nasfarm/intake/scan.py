"""Paths that a user names to files and frames that become items, one by one; a tally of the rest.

Paths are resolved before their root is chosen, so a link cannot lead out of every root unseen.
"""

from __future__ import annotations

import logging
import os
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from nasfarm.core.items import HOME_ROOT, SENTINEL, Found, address, is_video
from nasfarm.core.jobs import Skipped
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.intake.names import is_image, is_system
from nasfarm.intake.patterns import has_pattern, matching
from nasfarm.intake.videos import frames

log = logging.getLogger(__name__)

Locate = Callable[[str], tuple[str, bytes] | None]
"""A resolved path to its root's name and the path below it; None where no root holds it."""

OWN_FOLDERS = frozenset((b"jobs", b"models", b"recipes", b"quarantine"))
"""Folders of FARM_HOME that a walk leaves out: pictures drawn for one job are no items of the next
where the home lies among the photos."""


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


@dataclass(frozen=True, slots=True)
class _Scan:
    """What every step of a scan knows. videos: those in folders are taken, too."""

    locate: Locate
    tally: Tally
    videos: bool

    def takes(self, name: str) -> bool:
        return is_image(name) or (self.videos and is_video(name))


@dataclass(frozen=True, slots=True)
class _File:
    """A file that becomes an item, or as a video many, and the path by which it was reached."""

    found: Found
    path: str


def scan(
    arguments: Iterable[str], locate: Locate, tally: Tally, every_s: float | None = None
) -> Iterator[Found]:
    """Yield a Found for every image that the arguments name: files, folders, patterns; in no order.

    Of a video its frames are yielded, one each `every_s` seconds, 0 or None: every frame. Among
    people's photos lie clips of thousands of frames: so with None a video in a folder counts as
    another type, and only one that is named, or meant by a pattern such as `*.mp4`, is taken.
    A file reached by two arguments is yielded twice. Raises RejectError for an argument that does
    not exist, lies outside every root, or is neither a file nor a folder.
    """
    for argument in arguments:
        known = _Scan(locate, tally, videos=every_s is not None or is_video(argument))
        if has_pattern(argument) and not os.path.lexists(argument):
            files = _matching(argument, known)
        else:
            files = _named(argument, known)
        for file in files:
            if is_video(file.found.item):
                yield from frames(file.found, file.path, every_s or 0.0)
            else:
                yield file.found


def _named(argument: str, scan: _Scan) -> Iterator[_File]:
    """What the user names outright must be usable, or the whole request is refused."""
    path = os.path.realpath(argument)
    status = _status(argument)
    if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
        raise RejectError(f"{argument}: is neither a file nor a folder. Name files or folders.")
    place = scan.locate(path)
    if place is None:
        folder = path if stat.S_ISDIR(status.st_mode) else os.path.dirname(path)
        raise RejectError(
            f"{argument}: lies in {folder}, which is in none of the farm's roots. "
            f"Add it first: farm roots add NAME {shlex.quote(folder)}",
            code="outside_root",
        )
    if stat.S_ISREG(status.st_mode):
        yield _File(Found(address(*place), status.st_size, status.st_mtime_ns), path)
    elif os.access(path, os.R_OK | os.X_OK):
        yield from _walk(path, scan)
    else:
        raise RejectError(f"{argument}: you may not list this folder. Check its permissions.")


def _status(argument: str) -> os.stat_result:
    try:
        return os.stat(argument)
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(argument):
            raise RejectError(
                f"{argument}: is a link to {os.readlink(argument)}, which is not there. "
                "Name a file or a folder."
            ) from error
        raise _no_such_path(argument) from error
    except OSError as error:
        raise RejectError(f"{argument}: {error.strerror}. Name a file or a folder.") from error


def _matching(pattern: str, scan: _Scan) -> Iterator[_File]:
    """What a pattern matches is treated like the content of a folder."""
    matched = False
    for path in matching(pattern):
        matched = True
        found = _look(path, os.path.basename(path), scan)
        if isinstance(found, _File):
            yield found
        elif found is not None:
            yield from _walk(found, scan)
    if not matched:
        raise RejectError(f"{pattern}: nothing matches this pattern. Check it with: ls {pattern}")


def _walk(top: str, scan: _Scan) -> Iterator[_File]:
    """Everything below a resolved folder. Its depth and the size of its folders cost no memory."""
    pending = [top]
    while pending:
        folder = pending.pop()
        place = scan.locate(folder)
        if place is None:
            continue
        root, below = place
        if root == HOME_ROOT and below in OWN_FOLDERS:
            scan.tally.system += 1
            continue
        prefix = below + b"/" if below else b""
        for entry in _entries(folder, scan.tally):
            if entry.is_symlink():
                found = _look(entry.path, entry.name, scan)
            else:
                found = _entry(entry, root, prefix, scan)
            if isinstance(found, _File):
                yield found
            elif found is not None:
                pending.append(found)


def _entries(folder: str, tally: Tally) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; nothing where it was walked before or cannot be read."""
    try:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in tally.walked:
            return
        tally.walked.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as listing:
            yield from listing
    except OSError as error:
        tally.not_a_file += 1
        log.warning(
            "folder cannot be read, left out",
            extra={"action": "scan_folder", "place": folder, "reason": error.strerror},
        )


def _entry(entry: os.DirEntry[str], root: str, prefix: bytes, scan: _Scan) -> _File | str | None:
    """An entry that is no link: an item, a folder to walk, or nothing, which was counted."""
    try:
        if is_system(entry.name):
            scan.tally.system += entry.name != SENTINEL
        elif entry.is_dir(follow_symlinks=False):
            return entry.path
        elif not entry.is_file(follow_symlinks=False):
            scan.tally.not_a_file += 1
        elif not scan.takes(entry.name):
            scan.tally.other_type += 1
        else:
            status = entry.stat(follow_symlinks=False)
            item = address(root, prefix + os.fsencode(entry.name))
            return _File(Found(item, status.st_size, status.st_mtime_ns), entry.path)
    except OSError:  # gone since the folder was listed
        scan.tally.not_a_file += 1
    return None


def _look(path: str, name: str, scan: _Scan) -> _File | str | None:
    """A path whose links are resolved: an item, a folder to walk, or nothing, which was counted."""
    tally = scan.tally
    if is_system(name):
        tally.system += name != SENTINEL
        return None
    target = os.path.realpath(path)
    try:
        status = os.stat(target)
    except OSError:
        tally.not_a_file += 1
        return None
    place = scan.locate(target)
    if place is None:
        tally.outside_root += 1
    elif stat.S_ISDIR(status.st_mode):
        return target
    elif not stat.S_ISREG(status.st_mode):
        tally.not_a_file += 1
    elif not scan.takes(name):
        tally.other_type += 1
    else:
        return _File(Found(address(*place), status.st_size, status.st_mtime_ns), target)
    return None


def _no_such_path(argument: str) -> RejectError:
    """Names the first part of the path that is not there, and what lies there instead."""
    path = os.path.abspath(argument)
    folder, name = os.path.split(path)
    while not os.path.isdir(folder):
        folder, name = os.path.split(folder)
    try:
        there = os.listdir(folder)
    except OSError:
        there = []
    if os.path.lexists(path) or not there:  # '' and 'a.jpg/' are not there, though this path is
        return RejectError(f"'{argument}': there is no such file or folder.", code="unknown_name")
    return UnknownNameError.of("file or folder", name, there, f"(looked in {folder})")
