"""Bytes to a file that is whole and on disk, or not there at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nasfarm.errors import StorageError

CANNOT_WRITE = "write"
"""Code of a StorageError where a file of ours could not be written: full, read-only or away."""


@contextmanager
def storage_errors(place: Path | str, code: str = StorageError.code) -> Iterator[None]:
    """Turn an OSError into a StorageError that names the place."""
    try:
        yield
    except OSError as error:
        message = f"{place}: {error.strerror or error}. Check the disk or share and try again."
        raise StorageError(message, code=code) from error


def sync_folder(folder: Path) -> None:
    """Make the folder's entries survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def written(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Open a hidden neighbour for writing; on leaving without an error it replaces `path`."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """As `written`, not forced to disk: for many files that can be made anew from others.

    Nobody sees one half-written; after a power cut one may be empty. Raises OSError.
    """
    draft = path.with_name(f".{uuid.uuid4().hex}")  # the name itself may be as long as names can be
    try:
        with open(draft, "xb") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace `path` by `data` in one step. Raises StorageError."""
    with storage_errors(path, CANNOT_WRITE), written(path, mode) as file:
        file.write(data)


def _put_on_disk(draft: Path, data: bytes) -> None:
    with open(draft, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def publish_by_rename(path: Path, data: bytes, fence: str, confirm: Callable[[], None]) -> bool:
    """As `publish_file`, for shares that refuse hard links.

    The draft carries the writer's fence. `confirm` raises where the writer has lost its right: it
    is asked after the draft is on disk, right before the rename that could replace another's file.
    Returns False where `path` was there before. Raises StorageError, and what `confirm` raises.
    """
    draft = path.with_name(f".{path.name}.{fence}")
    with storage_errors(path, CANNOT_WRITE):
        try:
            _put_on_disk(draft, data)
            confirm()
            if path.exists():
                return False
            draft.rename(path)
            sync_folder(path.parent)
            return True
        finally:
            draft.unlink(missing_ok=True)


def publish_file(path: Path, data: bytes) -> bool:
    """Give `data` its final name once: the first of several writers wins.

    Returns False where `path` was there before; its bytes stay as they are. Raises StorageError.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    with storage_errors(path, CANNOT_WRITE):
        try:
            _put_on_disk(draft, data)
            try:
                os.link(draft, path)
            except FileExistsError:
                return False
            sync_folder(path.parent)
            return True
        finally:
            draft.unlink(missing_ok=True)
