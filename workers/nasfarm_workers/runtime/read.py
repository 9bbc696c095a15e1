"""An item to its file's bytes, or to the fault its line will name."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from nasfarm.core.items import Item, split_address
from nasfarm.core.lines import Fault
from nasfarm.errors import StorageError

MOST_BYTES = 512 * 2**20
"""No picture a NAS owner has is larger; a disk image named .tif is."""

_OF_THE_FILE = {
    errno.ENOENT: ("missing", "the file is gone since the job was submitted"),
    errno.ENOTDIR: ("missing", "the file is gone since the job was submitted"),
    errno.EACCES: ("forbidden", "the farm may not read the file: check its permissions"),
    errno.EPERM: ("forbidden", "the farm may not read the file: check its permissions"),
}


def read(item: Item, roots: Mapping[str, Path]) -> bytes | Fault:
    """The whole file. Raises StorageError where the disk or share is at fault, not the file."""
    root, below = split_address(item.item)
    path = os.path.join(os.fsencode(roots[root]), below)
    try:
        # O_NONBLOCK: what was a picture at submit may be a named pipe by now, and would block.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return Fault("missing", "is not a file any more")
            if status.st_size > MOST_BYTES:
                return Fault("too_large", f"{status.st_size / 2**20:.0f} MB, at most 512 are read")
            return file.read()
    except OSError as error:
        fault = _OF_THE_FILE.get(error.errno or 0)
        if fault is None:
            raise StorageError(f"{item.item}: {error.strerror}. Check the disk or share.") from error
        return Fault(*fault)
