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
from nasfarm.nodes.roots import SENTINEL

MOST_BYTES = 512 * 2**20
"""No picture a NAS owner has is larger; a disk image named .tif is."""

_GONE = Fault("missing", "the file is gone since the job was submitted")
_REPLACED = Fault("missing", "where the file was at submit is something else now, no file")
_FORBIDDEN = Fault("forbidden", "the farm may not read the file: check its permissions")
_OF_THE_FILE = {
    errno.ENOENT: _GONE,
    errno.ENOTDIR: _GONE,
    errno.ENAMETOOLONG: _GONE,  # its root is mounted deeper here than where it was submitted
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EISDIR: _REPLACED,
    errno.ELOOP: _REPLACED,  # a link
    errno.ENXIO: _REPLACED,  # a socket
    errno.ENODEV: _REPLACED,
}


def read(item: Item, roots: Mapping[str, Path]) -> bytes | Fault:
    """The whole file. Raises StorageError where the disk or share is at fault, not the file."""
    root, below = split_address(item.item)
    if root not in roots:
        raise StorageError(
            f"{item.item}: this node has no root '{root}' any more. Run: farm roots add {root} PATH"
        )
    path = os.path.join(os.fsencode(roots[root]), below)
    try:
        # O_NONBLOCK: what was a picture at submit may be a named pipe by now, and would block.
        # O_NOFOLLOW: or a link out of the root; links were resolved at submit.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return _REPLACED
            if status.st_size > MOST_BYTES:
                return Fault("too_large", f"{status.st_size / 2**20:.0f} MB, at most 512 are read")
            return file.read()
    except OSError as error:
        fault = _OF_THE_FILE.get(error.errno or 0)
        if fault is None or (fault is _GONE and _is_away(roots[root])):
            raise StorageError(
                f"{item.item}: {error.strerror}. Check the disk or share."
            ) from error
        return fault


def _is_away(root: Path) -> bool:
    """Whether a whole disk or share is gone, and not just a file: its mark is not there.

    Nor anything else: a read-only disk carries no mark, and a mark may be deleted by mistake.
    """
    try:
        return not (root / SENTINEL).exists() and not os.listdir(root)
    except OSError:
        return True
