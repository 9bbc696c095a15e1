"""Files that stay in the drop folder → those that are new, and which content was there before.

One SQLite file for all recipes, which only the leading watcher opens.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nasfarm.core.items import Found, Item, split_address
from nasfarm.errors import StorageError
from nasfarm.intake.dropped import found
from nasfarm.storage.atomic import storage_errors

_TABLES = """
CREATE TABLE IF NOT EXISTS files (recipe TEXT, models TEXT, item TEXT, bytes INTEGER,
    mtime_ns INTEGER, PRIMARY KEY (recipe, models, item)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents (recipe TEXT, models TEXT, content BLOB, item TEXT,
    PRIMARY KEY (recipe, models, content)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Lens:
    """Who looks at a file: another recipe, or another model, looks at it anew."""

    recipe: str
    models: str


@dataclass(frozen=True, slots=True)
class Left:
    """A file that stays where it is, and its content's fingerprint."""

    path: Path
    found: Found
    content: bytes


class Seen:
    """What was looked at where it lies. home: FARM_HOME."""

    def __init__(self, connection: sqlite3.Connection, home: Path) -> None:
        self._connection = connection
        self._home = home
        self._known: dict[Lens, dict[str, tuple[int, int]]] = {}

    def fresh(self, lens: Lens, paths: Iterable[Path]) -> list[Path]:
        """Files that are new, or have changed since they were looked at. Raises StorageError."""
        known = self._files(lens)
        looks = ((path, found(self._home, path)) for path in paths)
        return [
            path for path, one in looks if one and known.get(one.item) != (one.bytes, one.mtime_ns)
        ]

    def read(self, lens: Lens, paths: Sequence[Path]) -> list[Left]:
        """Files with their contents; whose content was there before, names the first that had it:
        itself, where it was written anew with the same.

        What goes or cannot be read while we look is left out. Raises StorageError.
        """
        here: dict[bytes, str] = {}
        left: list[Left] = []
        for path in paths:
            one, content = found(self._home, path), _content(path)
            if one is None or not content:
                continue
            first = self._first(lens, content) or here.get(content, "")
            here.setdefault(content, one.item)
            left.append(Left(path, replace(one, same_as=first), content))
        return left

    def add(self, lens: Lens, left: Iterable[Left]) -> None:
        """Note files as looked at, on disk when this returns. Raises StorageError."""
        known, who = self._files(lens), (lens.recipe, lens.models)
        with _storage_errors(self._home), self._connection as connection:
            for each in left:
                one = each.found
                row = (*who, one.item, one.bytes, one.mtime_ns)
                connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", row)
                first = (*who, each.content, one.item)
                connection.execute("INSERT OR IGNORE INTO contents VALUES (?, ?, ?, ?)", first)
                known[one.item] = (one.bytes, one.mtime_ns)

    def recall(self, lens: Lens, items: Iterable[Item]) -> None:
        """Note what a watcher handed in just before it died. Raises StorageError."""
        known = self._files(lens)
        lost = [
            path
            for path in (self._as_it_was(item) for item in items if item.item not in known)
            if path is not None
        ]
        self.add(lens, self.read(lens, lost))

    def _as_it_was(self, item: Item) -> Path | None:
        """The path of an item whose file has not changed since."""
        _, below = split_address(item.item)
        path = self._home / os.fsdecode(below)
        now = found(self._home, path)
        return path if now and (now.bytes, now.mtime_ns) == (item.bytes, item.mtime_ns) else None

    def _files(self, lens: Lens) -> dict[str, tuple[int, int]]:
        if lens not in self._known:
            query = "SELECT item, bytes, mtime_ns FROM files WHERE recipe = ? AND models = ?"
            with _storage_errors(self._home):
                rows = self._connection.execute(query, (lens.recipe, lens.models))
                self._known[lens] = {item: (size, mtime_ns) for item, size, mtime_ns in rows}
        return self._known[lens]

    def _first(self, lens: Lens, content: bytes) -> str:
        query = "SELECT item FROM contents WHERE recipe = ? AND models = ? AND content = ?"
        with _storage_errors(self._home):
            row = self._connection.execute(query, (lens.recipe, lens.models, content)).fetchone()
        return str(row[0]) if row else ""


@contextmanager
def opened(path: Path, home: Path) -> Iterator[Seen]:
    """What was seen by now, from a file that is made where it is missing. Raises StorageError."""
    with _storage_errors(path):
        connection = sqlite3.connect(path)
    with closing(connection):
        with _storage_errors(path):
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_TABLES)
        yield Seen(connection, home)


@contextmanager
def _storage_errors(place: Path) -> Iterator[None]:
    try:
        with storage_errors(place):
            yield
    except sqlite3.Error as error:
        raise StorageError(
            f"{place}: what was seen of the drop folder cannot be kept ({error}). Check the disk "
            "or share; if it cannot lock files, choose another watch.mode."
        ) from error


def _content(path: Path) -> bytes:
    """The content's SHA-256; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""
