"""Named folders to what they hold now: is the disk there, and which root is a path in?

A root's folder carries `.farm-root` with an id of the folder. Each machine records which id it saw
when the root was added; another id, or none, means that the disk is away, never that it is empty.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nasfarm.core import wire
from nasfarm.core.items import HOME_ROOT, ROOT_NAME, SENTINEL
from nasfarm.errors import RejectError, StorageError
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm.storage.locked import locked

FORMAT = 1
_READ_ONLY = "read-only:"


@dataclass(frozen=True, slots=True)
class Root:
    """A named folder and the id recorded for it; an empty id: never recorded on this machine."""

    name: str
    path: Path
    id: str


@dataclass(frozen=True, slots=True)
class Sentinel:
    """What `.farm-root` holds. `id` is the folder's, whichever farms use it."""

    format: int
    id: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """roots.json: root name → id of its folder, as this machine saw it."""

    format: int = FORMAT
    ids: Mapping[str, str] = field(default_factory=dict)


def add_root(state_dir: Path, name: str, path: Path, roots: Mapping[str, Path]) -> Root:
    """Mark an existing folder and record its id; adding the same again is harmless.

    roots: those there are, by name. Writing it into node.yml is the caller's next step. Folders
    may lie in one another: a path belongs to the deepest. Raises RejectError, StorageError.
    """
    if not ROOT_NAME.fullmatch(name) or name == HOME_ROOT:
        raise RejectError(
            f"root '{name}': wanted 1 to 32 small letters, digits, - and _, a letter first "
            f"('{HOME_ROOT}' is the farm's own)",
            code="root",
        )
    folder = Path(os.path.realpath(path))
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise RejectError(
            f"{folder}: got {found}, wanted an existing folder. Check the path; if it is a share, "
            "mount it first.",
            code="root",
        )
    _refuse_clash(name, folder, roots)
    return record(state_dir, name, folder)


def record(state_dir: Path, name: str, folder: Path) -> Root:
    """Give the folder its sentinel if it has none, and note its id in `<state>/roots.json`.

    For `home` too, when it is made or joined. Raises RejectError for an empty folder where one
    with a known id is expected, StorageError.
    """
    with locked(state_dir):
        noted = _recorded(state_dir)
        root = Root(name, folder, _marked(folder, name, noted.ids.get(name, "")))
        if noted.ids.get(name) != root.id:
            ids = {**noted.ids, name: root.id}
            content = wire.encode_pretty(Recorded(FORMAT, ids))
            write_file(state_dir / "roots.json", content, mode=0o600)
    return root


def known_roots(state_dir: Path, roots: Mapping[str, Path]) -> tuple[Root, ...]:
    """Roots by name and folder, each with the id this machine recorded. Raises StorageError."""
    ids = _recorded(state_dir).ids
    return tuple(Root(name, path, ids.get(name, "")) for name, path in roots.items())


def present(root: Root) -> bool:
    """Whether the folder is there and is the one that was recorded. Never raises."""
    if root.id.startswith(_READ_ONLY):
        try:
            return _identity(root.path) == root.id
        except OSError:
            return False
    try:
        found = _sentinel(root.path)
    except (RejectError, StorageError):
        return False
    return found is not None and found == root.id


def root_of(path: Path, roots: Mapping[str, Path]) -> tuple[str, bytes] | None:
    """The root a path lies in and the rest of the path, links resolved; None where in no root.

    The rest is in the file system's bytes, without a leading slash; empty for the root itself.
    Of roots that lie in one another the deepest counts.
    """
    wanted = os.fsencode(os.path.realpath(path))
    best: tuple[int, str, bytes] | None = None
    for name, folder in roots.items():
        place = os.fsencode(os.path.realpath(folder)).rstrip(b"/")
        inside = wanted == place or wanted.startswith(place + b"/")
        if inside and (best is None or len(place) > best[0]):
            best = (len(place), name, wanted[len(place) + 1 :])
    return best[1:] if best else None


def require_present(paths: Iterable[str], state_dir: Path, roots: Mapping[str, Path]) -> None:
    """Return where every root that a path lies in is there. Raises StorageError."""
    named = {place[0] for path in paths if (place := root_of(Path(path), roots)) is not None}
    for root in known_roots(state_dir, roots):
        if root.name in named and not present(root):
            raise StorageError(
                f"{root.path}: nothing is there, and the root '{root.name}' is away. Bring its "
                "disk or share back, then hand in again."
            )


def _refuse_clash(name: str, folder: Path, roots: Mapping[str, Path]) -> None:
    for other, path in roots.items():
        same = Path(os.path.realpath(path)) == folder
        if same and other != name:
            raise RejectError(
                f"{folder}: this folder is root '{other}' already; use that name.", code="root"
            )
        if other == name and not same:
            raise RejectError(
                f"root '{name}': it is {path} already, not {folder}. Choose another name: its "
                "finished jobs speak of files there.",
                code="root",
            )


def _marked(folder: Path, name: str, before: str) -> str:
    """The folder's id; one without gets a sentinel, or is known by what its disk says of it."""
    found = _sentinel(folder)
    if found is not None:
        return found
    if before == _identity_of(folder):
        return before
    if before:
        with storage_errors(folder):
            empty = not os.listdir(folder)
        if empty:
            raise RejectError(
                f"{folder}: it is empty, but root '{name}' was marked before. Mount the disk or "
                "share, then run the command again.",
                code="root",
            )
    # A sentinel somebody deleted is put back as it was: other machines have recorded its id.
    reused = "" if before.startswith(_READ_ONLY) else before
    return _write_sentinel(folder, reused or uuid.uuid4().hex) or _identity_of(folder)


def _sentinel(folder: Path) -> str | None:
    path = folder / SENTINEL
    with storage_errors(path):
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
    try:
        return wire.decode(Sentinel, content, str(path)).id
    except RejectError as error:
        raise RejectError(
            f"{error}. Delete {path} if it is not from a farm, then add the root again.",
            code="root",
        ) from error


def _write_sentinel(folder: Path, folder_id: str) -> str | None:
    """The id now in the sentinel; None where the folder cannot be written to."""
    path = folder / SENTINEL
    with storage_errors(path):
        try:
            # Not by link or rename: FAT has no links, and of two writers the first must win.
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return _sentinel(folder)
        except OSError as error:
            if isinstance(error, PermissionError) or error.errno == errno.EROFS:
                return None
            raise
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(wire.encode_pretty(Sentinel(FORMAT, folder_id)))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)  # a full disk must not leave half a sentinel
            raise
    return folder_id


def _identity_of(folder: Path) -> str:
    with storage_errors(folder):
        return _identity(folder)


def _identity(folder: Path) -> str:
    # Not the device number: the kernel gives an NFS mount a new one each time.
    return f"{_READ_ONLY}{os.statvfs(folder).f_fsid:x}:{folder.stat().st_ino}"


def _recorded(state_dir: Path) -> Recorded:
    path = state_dir / "roots.json"
    with storage_errors(path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return Recorded()
    return wire.decode(Recorded, content, str(path))
