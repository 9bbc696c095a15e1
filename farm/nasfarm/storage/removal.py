"""A name in an open folder → gone, whole or not at all, and never by way of a link.

Folders that other people write to are entered step by step, and no step may be a link: whoever may
drop files must not be able to say what else is removed.
"""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEFTOVER = ".gone-"
"""Begins the name of what is being removed; what is found under it, a power cut has left."""


@contextmanager
def opened(folder: Path, *below: str) -> Iterator[int]:
    """A handle of a folder below `folder`. Raises OSError, also where one `below` is a link."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in below:
            if "/" in name or name in ("", ".", ".."):
                raise NotADirectoryError(f"{name!r} is no folder's name")
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(name, flags, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def status(handle: int, name: str) -> os.stat_result | None:
    """What a name in the folder is, a link itself; None where it is not there."""
    try:
        return os.stat(name, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_folder(handle: int, name: str) -> bool:
    """Whether a name is a folder and no link to one."""
    found = status(handle, name)
    return found is not None and stat.S_ISDIR(found.st_mode)


def files_in(handle: int, name: str) -> Iterator[os.stat_result]:
    """Every file in a folder and those below, or the file that `name` is. Links are not followed.

    Raises OSError where the folder cannot be read.
    """
    found = status(handle, name)
    if found is not None and not stat.S_ISDIR(found.st_mode):
        yield found
        return
    for _, _, names, inner in os.fwalk(name, dir_fd=handle, follow_symlinks=False):
        for each in names:
            file = status(inner, each)
            if file is not None:
                yield file


def remove(handle: int, name: str) -> bool:
    """Take a folder or file out of sight in one step, then remove it; False where it was gone.

    Raises OSError; what is left then has a name that begins with LEFTOVER, and no other.
    """
    hidden = name
    if not name.startswith(LEFTOVER):
        hidden = f"{LEFTOVER}{uuid.uuid4().hex}"
        try:
            os.rename(name, hidden, src_dir_fd=handle, dst_dir_fd=handle)
        except FileNotFoundError:  # another cleaner was faster
            return False
        # Or a power cut could bring the name back with half of what was in it.
        os.fsync(handle)
    try:
        if is_folder(handle, hidden):
            shutil.rmtree(hidden, dir_fd=handle)
        else:
            os.unlink(hidden, dir_fd=handle)
    except FileNotFoundError:  # another cleaner is at the same leftover
        return False
    return True
