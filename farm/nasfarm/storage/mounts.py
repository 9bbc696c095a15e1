"""A folder to the kind of disk it lies on, and to what that disk can do."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from nasfarm.errors import RejectError
from nasfarm.storage.atomic import storage_errors, sync_folder

MOUNTINFO = Path("/proc/self/mountinfo")

SHARES = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs"})
"""Refused for FARM_STATE_DIR: locks and mmap across machines are not to be relied on there."""

NETWORK = SHARES | {
    "9p",
    "afs",
    "ceph",
    "davfs",
    "fuse.ceph",
    "fuse.davfs2",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "ncpfs",
    "virtiofs",
}


_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE})


@dataclass(frozen=True, slots=True)
class Abilities:
    """What was tried out on a disk. locks: a second holder is turned away."""

    locks: bool
    fsync: bool
    links: bool

    @property
    def lacking(self) -> tuple[str, ...]:
        tried = {"file locks": self.locks, "fsync": self.fsync, "hard links": self.links}
        return tuple(name for name, works in tried.items() if not works)


@dataclass(frozen=True, slots=True)
class Mount:
    """The mount a folder lies on. kind: `ext4`, `nfs4`, …; empty where unknown. flags: `ro`, …"""

    kind: str = ""
    flags: frozenset[str] = frozenset()


def filesystem(folder: Path, table: bytes | None = None) -> str:
    """The file system's type as the kernel names it; empty where unknown. Else as `mount_of`."""
    return mount_of(folder, table).kind


def mount_of(folder: Path, table: bytes | None = None) -> Mount:
    """The deepest mount above a folder, which need not exist yet.

    table: /proc/self/mountinfo's content, read afresh where None; its fields are described in
    proc_pid_mountinfo(5).
    """
    if table is None:
        try:
            table = MOUNTINFO.read_bytes()
        except OSError:
            return Mount()
    wanted = os.fsencode(os.path.realpath(folder))
    best, found = -1, Mount()
    for line in table.splitlines():
        before, dash, after = line.partition(b" - ")
        fields = before.split(b" ")
        if not dash or len(fields) < 6:
            continue
        place = _unescaped(fields[4])
        # Of two mounts on one folder the later covers the earlier, hence >=.
        if _holds(place, wanted) and len(place) >= best:
            best, found = len(place), _mount(fields[5], after.split(b" "))
    return found


def _mount(own_flags: bytes, after: list[bytes]) -> Mount:
    flags = {*own_flags.split(b","), *(after[2].split(b",") if len(after) > 2 else ())}
    # Either may say it: the disk itself, or this mount of it.
    kept = flags - ({b"rw"} if b"ro" in flags else set())
    return Mount(os.fsdecode(_unescaped(after[0])), frozenset(map(os.fsdecode, kept)))


def is_network(kind: str) -> bool:
    """Whether a file system of this type lies on another machine."""
    return kind in NETWORK


def probe(folder: Path) -> Abilities:
    """Try locks, fsync and hard links with files that are gone afterwards. Raises StorageError."""
    first = folder / f".probe.{uuid.uuid4().hex[:8]}"
    second = first.with_name(first.name + ".link")
    with storage_errors(folder):
        handle = os.open(first, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            return Abilities(
                locks=_locks_work(handle, first),
                fsync=_fsync_works(handle, folder),
                links=_links_work(first, second),
            )
        finally:
            os.close(handle)
            first.unlink(missing_ok=True)
            second.unlink(missing_ok=True)


def require_local(folder: Path) -> None:
    """Make FARM_STATE_DIR (0700) where it is missing. Raises RejectError where it cannot be one.

    Network shares are refused by their type, before anything is written; others are tried out.
    """
    kind = filesystem(folder)
    advice = "Set FARM_STATE_DIR to a folder on a disk of this machine."
    if kind in SHARES:
        raise RejectError(
            f"{folder}: got a network share ({kind}), wanted a local disk. {advice}",
            code="state_dir",
        )
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lacking = probe(folder).lacking
    if lacking:
        raise RejectError(
            f"{folder}: this disk ({kind or 'unknown type'}) has no {' and no '.join(lacking)}. "
            f"{advice}",
            code="state_dir",
        )


def _holds(place: bytes, path: bytes) -> bool:
    return path == place or path.startswith(place.rstrip(b"/") + b"/")


def _unescaped(text: bytes) -> bytes:
    # The kernel writes space, tab, line break, backslash and # as \ and three octal digits.
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 0xFF]), text)


def _locks_work(handle: int, path: Path) -> bool:
    second = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno == errno.EWOULDBLOCK
    finally:
        os.close(second)
    return False  # both got it: a lock that locks nobody out


def _fsync_works(handle: int, folder: Path) -> bool:
    try:
        os.fsync(handle)
        sync_folder(folder)
    except OSError:
        return False
    return True


def _links_work(first: Path, second: Path) -> bool:
    try:
        os.link(first, second)
    except OSError as error:
        if error.errno in _PASSING:  # a full disk says nothing of links
            raise
        return False
    return True
