"""A file of the drop folder to its place among the taken ones, by one rename.

The rename decides between two watchers, and once it is done the file is the farm's: whatever breaks
off after it, the file lies there and is found.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path, PurePath

from nasfarm.errors import RejectError
from nasfarm.storage.atomic import CANNOT_WRITE, storage_errors, sync_folder

MARK = ".taking-"
"""Begins the name of an empty file that keeps a place for a file about to come."""

FEW = 32
"""So many files are put on disk one by one; for more, everything is, in one go."""

_OF_THE_FOLDER = frozenset({
    errno.EACCES, errno.EPERM, errno.EXDEV, errno.EBUSY, errno.ETXTBSY, errno.EEXIST,
    errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ,
})  # fmt: skip
_MENDS = (
    "Let the user who runs the farm change that folder, and let it lie on the same disk or share "
    "as the home."
)

_LONGEST = 255 - 32
"""Bytes of a name that leave room for a suffix and a mark."""


def take(source: Path, below: PurePath, taken: Path, now: datetime) -> Path | None:
    """Move a dropped file to `taken / below`, never over another; its new path.

    A name that is there already gets the time of day behind it, then a number. None where the file
    is gone: another watcher has it, or whoever dropped it took it back. Raises StorageError;
    RejectError where this very file, or its folder, may not be moved.
    """
    folder = taken / below.parent
    with storage_errors(folder, CANNOT_WRITE):
        folder.mkdir(parents=True, exist_ok=True)
        for name in _names(below.name, now):
            mark = folder / (MARK + name)
            try:
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            except FileExistsError:  # another watcher is about to use this name
                continue
            try:
                if os.path.lexists(folder / name):
                    continue
                os.rename(source, folder / name)
                return folder / name
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno not in _OF_THE_FOLDER:
                    raise
                raise RejectError(
                    f"{source.parent}: its files cannot be taken: {error.strerror}. {_MENDS}"
                ) from error
            finally:
                mark.unlink(missing_ok=True)
    return None


def _names(name: str, now: datetime) -> Iterator[str]:
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem:
        stem, ending = name, ""
    encoded = os.fsencode(stem)[: _LONGEST - len(os.fsencode(ending))]
    stem, ending = os.fsdecode(encoded), dot + ending if ending else ""
    if len(os.fsencode(name)) <= _LONGEST:
        yield name
    stamp = f"{now:%H%M%S}.{now.microsecond // 1000:03d}"
    yield f"{stem}-{stamp}{ending}"
    for number in count(2):
        yield f"{stem}-{stamp}-{number}{ending}"


def is_being_written(path: Path) -> bool:
    """Whether a process of this machine has the file open for writing, as far as can be told.

    The kernel grants a read lease only on files that nobody writes; shares know no such leases.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(handle)
    return False


def is_foreign(path: Path) -> bool:
    """Whether the kernel will not tell this user who writes to the file: it is another user's."""
    with suppress(OSError):
        return os.geteuid() not in (0, path.lstat().st_uid)
    return False


def is_still(path: Path, settle_s: float) -> bool:
    """Whether nobody seems to write to it: by `is_being_written`, and by its time, on shares."""
    with suppress(OSError):
        if 0 <= time.time() - path.lstat().st_mtime < settle_s:
            return False
    return not is_being_written(path)


def put_on_disk(files: Iterable[Path]) -> None:
    """Make taken files, and that they were taken, survive a power cut: whoever dropped them may
    not have. Raises StorageError.
    """
    paths = list(files)
    if len(paths) > FEW:
        os.sync()
        return
    for path in paths:
        # One that the farm may not read gets its line as any other.
        with storage_errors(path, CANNOT_WRITE), suppress(FileNotFoundError, PermissionError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    for folder in {path.parent for path in paths}:
        with storage_errors(folder, CANNOT_WRITE):
            sync_folder(folder)
