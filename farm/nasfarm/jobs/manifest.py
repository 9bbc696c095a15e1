"""Found files to manifest.jsonl, sorted and each once, and its lines back to items.

A million items never sit in memory: they are sorted in a temporary SQLite file on local disk.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from nasfarm.core import wire
from nasfarm.core.items import Found, Frame, Item
from nasfarm.core.jobs import Segment
from nasfarm.errors import StorageError
from nasfarm.storage.atomic import storage_errors, written

_NO_FRAME = -1
"""In the spool: a picture that is a file. SQLite would take NULL for another one each time."""


@dataclass(frozen=True, slots=True)
class Written:
    """A manifest that was written: its size, its fingerprint, and what lies where.

    bytes: of all files; a video's once, however many of its frames are items, which are `frames`.
    runs: (root, start, stop), one a root. offsets: the byte where each item's line begins.
    """

    items: int
    bytes: int
    digest: str
    runs: tuple[tuple[str, int, int], ...]
    offsets: Sequence[int]
    frames: int = 0


class Spool:
    """Found files on their way into a manifest: any order in, sorted and each once out."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, found: Iterable[Found]) -> None:
        """Take in files and frames; one that is there already is the same item."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?)",
            (
                (each.item, *_number_and_time(each.frame), each.bytes, each.mtime_ns)
                for each in found
            ),
        )

    def drop(self, done: Iterable[Found]) -> int:
        """Leave out items of the same address, frame, size and mtime; returns how many."""
        before = self._connection.total_changes
        self._connection.executemany(
            "DELETE FROM found WHERE item = ? AND frame = ? AND bytes = ? AND mtime_ns = ?",
            (
                (each.item, _number_and_time(each.frame)[0], each.bytes, each.mtime_ns)
                for each in done
            ),
        )
        return self._connection.total_changes - before

    def thin(self, count: int) -> int:
        """Keep so many items, spread over all of them; 0: all. Returns how many there were."""
        whole = len(self)
        if 0 < count < whole:
            wanted = {(2 * n + 1) * whole // (2 * count) for n in range(count)}
            rows = self._connection.execute("SELECT * FROM found ORDER BY item, frame")
            kept = [row for n, row in enumerate(rows) if n in wanted]
            self._connection.execute("DELETE FROM found")
            self._connection.executemany("INSERT INTO found VALUES (?, ?, ?, ?, ?)", kept)
        return whole

    def __len__(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM found").fetchone()
        return int(count)

    def items(self) -> Iterator[Item]:
        """The items in manifest order: by root, then by path, then by frame."""
        rows = self._connection.execute("SELECT * FROM found ORDER BY item, frame")
        for i, (item, number, seconds, size, mtime_ns) in enumerate(rows):
            frame = None if number == _NO_FRAME else Frame(number, seconds)
            yield Item(i, item, size, mtime_ns, frame)


def _number_and_time(frame: Frame | None) -> tuple[int, float]:
    return (frame.number, frame.seconds) if frame else (_NO_FRAME, 0.0)


@contextmanager
def spool(folder: Path) -> Iterator[Spool]:
    """A spool in a file below `folder` (local disk), gone afterwards. Raises StorageError."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=folder, prefix="spool-")
    with scratch as place, closing(sqlite3.connect(Path(place) / "found.sqlite")) as connection:
        try:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE found (item TEXT, frame INTEGER, seconds REAL, bytes INTEGER,"
                " mtime_ns INTEGER, PRIMARY KEY (item, frame)) WITHOUT ROWID"
            )
            yield Spool(connection)
        except sqlite3.OperationalError as error:
            raise StorageError(f"{folder}: {error}. Make room on this disk.") from error


def write_manifest(path: Path, items: Iterable[Item]) -> Written:
    """Write items in order, a line each. Raises StorageError."""
    fingerprint = hashlib.blake2b(digest_size=16)
    runs: list[tuple[str, int, int]] = []
    offsets = array("Q")  # 8 MB for a million items; a list would take 40
    total = offset = frames = 0
    last = ""
    with storage_errors(path), written(path) as file:
        for item in items:
            root, i = item.item.partition(":")[0], len(offsets)
            start = runs.pop()[1] if runs and runs[-1][0] == root else i
            runs.append((root, start, i + 1))
            offsets.append(offset)
            offset += file.write(wire.item_bytes(item))
            frame = f"\0{item.frame.number}" if item.frame else ""
            fingerprint.update(f"{item.item}\0{item.bytes}\0{item.mtime_ns}{frame}\n".encode())
            frames += item.frame is not None
            total += item.bytes if item.item != last else 0
            last = item.item
    return Written(len(offsets), total, fingerprint.hexdigest(), tuple(runs), offsets, frames)


def read_items(path: Path, plan: Sequence[Segment], wanted: Sequence[int]) -> list[Item]:
    """The items with the numbers `wanted` (ascending), in that order. Raises StorageError."""
    found: list[Item] = []
    with storage_errors(path), open(path, "rb") as file:
        for segment in plan:
            here = [i for i in wanted if not segment.picked and segment.start <= i < segment.stop]
            if not here:
                continue
            file.seek(segment.offset)
            numbers = set(here)
            for i in range(segment.start, here[-1] + 1):
                line = file.readline()
                if i in numbers:
                    found.append(wire.decode(Item, line, f"{path}: item {i}"))
    return found


def iterate(path: Path) -> Iterator[Item]:
    """Every item of a manifest, in order. Raises StorageError."""
    with storage_errors(path), open(path, "rb") as file:
        for line in file:
            yield wire.decode(Item, line, str(path))
