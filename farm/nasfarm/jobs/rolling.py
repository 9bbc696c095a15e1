"""A rolling job's manifest.jsonl and plan.jsonl: read as far as they are whole, and appended to.

The plan is what counts: items that no line of it names were being written when something broke off,
and are written over. So a torn last line of either file is as if it had never been begun. A line of
the plan holds all segments of one addition: a video's frames come together, or not at all.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from nasfarm.core import wire
from nasfarm.core.items import Found, Item
from nasfarm.core.jobs import Segment, newest_generation
from nasfarm.errors import RejectError, RetryError
from nasfarm.storage.atomic import CANNOT_WRITE, storage_errors

MANIFEST, PLAN = "manifest.jsonl", "plan.jsonl"

Cut = Callable[[tuple[Segment, ...], int, Sequence[int]], tuple[Segment, ...]]
"""The plan so far, how many items come, and the byte of each one's line → segments for them."""


@dataclass(slots=True)
class PlanFile:
    """plan.jsonl as far as it was read; the next look, of any thread, reads only what has come."""

    path: Path
    segments: tuple[Segment, ...] = ()
    bytes: int = 0
    alone: Lock = field(default_factory=Lock)

    def read(self) -> tuple[Segment, ...]:
        """Every segment that is whole. Raises StorageError."""
        with self.alone, storage_errors(self.path), open(self.path, "rb") as file:
            if os.fstat(file.fileno()).st_size < self.bytes:  # restored from a backup
                self.segments, self.bytes = (), 0
            file.seek(self.bytes)
            self._take(file)
        return self.segments

    def _take(self, file: BinaryIO) -> None:
        come: list[Segment] = []
        for line in file:
            if not line.endswith(b"\n"):
                break
            try:
                come += wire.decode(list[Segment], line, str(self.path))
            except RejectError:  # zeros, where a power cut came between size and content
                break
            self.bytes += len(line)
        self.segments += tuple(come)


@dataclass(frozen=True, slots=True)
class _Named:
    """What is read of an item where only its address counts: half the time, of a million."""

    item: str


@dataclass(slots=True)
class Rolling:
    """One rolling job's folder, as one process knows it."""

    folder: Path
    plan: PlanFile = field(init=False)

    def __post_init__(self) -> None:
        self.plan = PlanFile(self.folder / PLAN)

    def items(self) -> Iterator[Item]:
        """All items that are planned. Raises StorageError."""
        return (wire.decode(Item, line, str(self.folder / MANIFEST)) for line in self._lines())

    def addresses(self) -> set[str]:
        """The addresses of all items that are planned. Raises StorageError."""
        place = str(self.folder / MANIFEST)
        return {wire.decode(_Named, line, place).item for line in self._lines()}

    def _lines(self) -> Iterator[bytes]:
        count = sum(segment.items for segment in self.plan.read() if not segment.picked)
        with storage_errors(self.folder), open(self.folder / MANIFEST, "rb") as file:
            yield from islice(file, count)

    def append(self, found: Sequence[Found], cut: Cut) -> tuple[Segment, ...]:
        """Add items at the end, on disk when this returns; the segments that hold them.

        Raises RetryError where another process is appending, or has since `plan` was last read;
        StorageError, and then nothing was added.
        """
        with self._alone() as (manifest, plan):
            start, at = self._end(manifest)
            offsets: list[int] = []
            lines: list[bytes] = []
            for i, each in enumerate(found, start):
                item = Item(i, each.item, each.bytes, each.mtime_ns, each.frame, each.same_as)
                offsets.append(at)
                lines.append(wire.item_bytes(item))
                at += len(lines[-1])
            segments = cut(self.plan.segments, start, offsets)
            self._forget_results(segments)
            _write(manifest, offsets[0], b"".join(lines))
            _write(plan, self.plan.bytes, wire.encode(segments) + b"\n")
        self.plan.read()
        return segments

    def extend(self, segments: Sequence[Segment]) -> None:
        """Add the chunks of a retry. Raises as `append`."""
        with self._alone() as (_, plan):
            if segments[0].generation != 1 + newest_generation(self.plan.segments):
                raise RetryError(f"{self.folder.name}: another retry has just begun.")
            _write(plan, self.plan.bytes, wire.encode(segments) + b"\n")
        self.plan.read()

    def _forget_results(self, segments: Sequence[Segment]) -> None:
        """Remove what lies under the names of results to come: it is of other items."""
        with storage_errors(self.folder, CANNOT_WRITE):
            for segment in segments:
                for chunk in range(segment.first, segment.end):
                    for ending in (".jsonl", ".npy"):
                        (self.folder / "chunks" / f"{chunk}{ending}").unlink(missing_ok=True)

    def _alone(self) -> _Alone:
        return _Alone(self)

    def _end(self, manifest: BinaryIO) -> tuple[int, int]:
        """Number and byte of the item that comes next."""
        last = next((one for one in reversed(self.plan.segments) if not one.picked), None)
        if last is None:
            return 0, 0
        manifest.seek(last.offset)
        for _ in range(last.items):
            manifest.readline()
        return last.stop, manifest.tell()


@dataclass(slots=True)
class _Alone:
    """Both files open, and no other process between them. Locks work on local disks and on NFS;
    where they do not, the watchers' lead in Redis keeps a second one away.
    """

    rolling: Rolling
    _files: list[BinaryIO] = field(default_factory=list)

    def __enter__(self) -> tuple[BinaryIO, BinaryIO]:
        known = self.rolling.plan.segments
        with storage_errors(self.rolling.folder, CANNOT_WRITE):
            for name in (MANIFEST, PLAN):
                self._files.append(open(self.rolling.folder / name, "r+b"))
            try:
                fcntl.flock(self._files[1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.close()
                raise RetryError(
                    f"{self.rolling.folder.name}: another process adds to it."
                ) from None
        if self.rolling.plan.read() != known:
            self.close()
            raise RetryError(f"{self.rolling.folder.name}: another process has added to it.")
        return self._files[0], self._files[1]

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for file in self._files:
            with suppress(OSError):
                file.close()


def _write(file: BinaryIO, at: int, content: bytes) -> None:
    """Put content at a byte, and nothing behind it; on disk when this returns."""
    with storage_errors(file.name, CANNOT_WRITE):
        file.truncate(at)
        file.seek(at)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
