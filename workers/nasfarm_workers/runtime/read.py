"""Items to their files' bytes, or to the faults their lines will name; ahead of the work."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from nasfarm.core.items import Item, split_address
from nasfarm.core.lines import Fault
from nasfarm.errors import StorageError
from nasfarm_workers.pixels import Blob, OpenFile

T = TypeVar("T", Blob, OpenFile)

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


TRIES = 3
"""So often a read error of the medium, or a missing file, is looked at again before the item gets
its line: its root may have been away at the first look and back at the second."""


AHEAD, AHEAD_BYTES, READERS = 32, 48 * 2**20, 8
"""So many files are read ahead, so many bytes at most, by so many threads: a share answers slowly,
but answers many at once."""

SLOW_S = 0.003
"""A file that takes longer than that comes from a share, or from a disk that turns. What lies in
memory takes 0.1 ms, and handing it from thread to thread 0.3 ms more: too much to do it always."""


@dataclass(slots=True)
class Pace:
    """How files came of late; a worker process keeps it from chunk to chunk."""

    slow: bool = False


class Ahead:
    """Reads files before they are asked for, in their order; in any order it hands them out.

    It does so from the start where the chunk before ended with slow files, else once one was slow.
    """

    def __init__(
        self, items: Sequence[Item], load: Callable[[Item], Blob | Fault], pace: Pace
    ) -> None:
        self._left = deque(items)
        self._load = load
        self._pace = pace
        self._first = True
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        self._coming: dict[int, Future[Blob | Fault]] = {}
        self._bytes = 0

    def take(self, item: Item) -> Blob | Fault:
        """The file of one item; a second time it is read anew. Raises StorageError as `read`."""
        if self._pace.slow:
            self._fill()
        begun = time.monotonic()
        found = self._taken(item)
        slow = time.monotonic() - begun > SLOW_S
        # Only the first file tells that none is slow any more: later ones were read meanwhile.
        self._pace.slow = slow or (self._pace.slow and not self._first)
        self._first = False
        return found

    def _taken(self, item: Item) -> Blob | Fault:
        coming = self._coming.pop(item.i, None)
        if coming is not None:
            self._bytes -= item.bytes
            return coming.result()
        if self._left and self._left[0].i == item.i:
            self._left.popleft()
        return self._load(item)

    def _fill(self) -> None:
        while self._left and len(self._coming) < AHEAD and self._bytes < AHEAD_BYTES:
            item = self._left.popleft()
            self._bytes += item.bytes
            self._coming[item.i] = self._threads.submit(self._load, item)

    def close(self) -> None:
        """Read no more. What is being read right now is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@contextmanager
def read_ahead(
    items: Sequence[Item], roots: Callable[[], Mapping[str, Path]], present: Callable[[str], bool],
    pace: Pace,
) -> Iterator[Ahead]:  # fmt: skip
    """The files of `items`, which will be asked for in about this order."""
    ahead = Ahead(items, lambda item: read(item, roots(), present), pace)
    try:
        yield ahead
    finally:
        ahead.close()


def read(item: Item, roots: Mapping[str, Path], present: Callable[[str], bool]) -> Blob | Fault:
    """The whole file. present: whether a root is there now, by its sentinel.

    Raises StorageError where the disk or share is at fault, not the file: its root is away.
    """
    return _tried(item, roots, present, _content)


def open_file(
    item: Item, roots: Mapping[str, Path], present: Callable[[str], bool]
) -> OpenFile | Fault:
    """The file, open: a video may be larger than memory. Otherwise as `read`."""
    return _tried(item, roots, present, OpenFile)


def _tried(
    item: Item,
    roots: Mapping[str, Path],
    present: Callable[[str], bool],
    made: Callable[[BinaryIO, str, bool], T | Fault],
) -> T | Fault:
    """What `made` makes of the open file, the item's address and whether the file has changed."""
    for _ in range(TRIES):
        found = _opened(item, roots, made)
        if not isinstance(found, Fault) or found.code not in ("missing", "storage"):
            return found
        root = item.item.partition(":")[0]
        if not present(root):
            raise StorageError(f"the root '{root}' is away. Bring its disk or share back.")
    return found


def _opened(
    item: Item, roots: Mapping[str, Path], made: Callable[[BinaryIO, str, bool], T | Fault]
) -> T | Fault:
    root, below = split_address(item.item)
    if root not in roots:
        raise StorageError(
            f"{item.item}: this node has no root '{root}' any more. Run: farm roots add {root} PATH"
        )
    path = os.path.join(os.fsencode(roots[root]), below)
    with ExitStack() as unless_kept:
        try:
            file = unless_kept.enter_context(open(path, "rb", buffering=0, opener=_open))
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return _REPLACED
            changed = (status.st_size, status.st_mtime_ns) != (item.bytes, item.mtime_ns)
            found = made(file, item.item, changed)
        except OSError as error:
            medium = Fault("storage", f"the disk or share says: {error.strerror}")
            return _OF_THE_FILE.get(error.errno or 0, medium)
        if isinstance(found, OpenFile):
            unless_kept.pop_all()
        return found


def _content(file: BinaryIO, _name: str, changed: bool) -> Blob | Fault:
    size = os.fstat(file.fileno()).st_size
    if size > MOST_BYTES:
        return Fault("too_large", f"{size / 2**20:.0f} MB, at most 512 are read")
    return Blob(_whole(file, size), changed)


def _whole(file: BinaryIO, size: int) -> bytes:
    """The content. Not by `read()`, which asks for the end as well: on a share another wait."""
    content = file.read(size)
    while len(content) < size and (more := file.read(size - len(content))):
        content += more
    return content


def _open(path: str, flags: int) -> int:
    # O_NONBLOCK: what was a picture at submit may be a named pipe by now, and would block.
    # O_NOFOLLOW: or a link out of the root; links were resolved at submit.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
