"""A folder or a role that one process at a time may have."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasfarm.errors import RejectError
from nasfarm.storage.atomic import storage_errors

TRIES, TRY_S = 10, 0.01
"""To ask who holds a file holds it for a moment, too."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder (0700) where it is missing and hold its lock. Local disks only.

    The kernel drops the lock with its holder, so a killed process never leaves it behind.
    Raises StorageError.
    """
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with storage_errors(folder):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def sole(path: Path, what: str) -> Iterator[None]:
    """Be the only process that is `what`, with our pid in the file `path`, until the block ends.

    Raises RejectError naming the process that is it already, StorageError.
    """
    with storage_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(handle, path):
            raise RejectError(
                f"{what} is running already (process {holder(path) or 'unknown'}). "
                "Stop it with: farm down"
            )
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _taken(handle: int, path: Path) -> bool:
    for _ in range(TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if holder(path) is not None:
                return False
            time.sleep(TRY_S)  # somebody has just looked who holds it
        else:
            return True
    return False


def holder(path: Path) -> int | None:
    """The pid of the process that holds `path` by `sole`; None where nobody does."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(handle, 32, 0).decode("ascii", "replace")
        return int(text) if text.isdigit() else None
    finally:
        os.close(handle)
    return None
