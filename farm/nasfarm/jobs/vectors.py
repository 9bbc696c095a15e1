"""Embeddings to .npy files with a row for each item, and back; without numpy.

Rows are float16, the low byte first. A row of NaN stands for an item that has no embedding.
Source: numpy's file format, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from nasfarm.core.jobs import Segment
from nasfarm.errors import RejectError
from nasfarm.jobs.results import located, parsed
from nasfarm.jobs.store import JobStore
from nasfarm.storage.atomic import storage_errors

_MAGIC = b"\x93NUMPY\x01\x00"
_SHAPE = re.compile(rb"'descr': '<f2', 'fortran_order': False, 'shape': \((\d+), (\d+)\)")
_NAN = b"\x00\x7e"
_BLOCK = 64
"""Numbers begin at a multiple of so many bytes."""


def encoded(rows: Sequence[bytes]) -> bytes:
    """A whole file. rows: one an item, all of one length; empty where it has none."""
    width = max(map(len, rows))
    return _header(len(rows), width // 2) + b"".join(row or _NAN * (width // 2) for row in rows)


def decoded(content: bytes, place: str) -> list[bytes]:
    """The rows of a file that `encoded` gave; empty where an item has none. Raises RejectError."""
    shape = _SHAPE.search(content[: 2 * _BLOCK])
    if not content.startswith(_MAGIC) or not shape:
        raise RejectError(f"{place}: it is no file of embeddings. Run the job again: --again")
    count, width = int(shape[1]), 2 * int(shape[2])
    body = content[len(_header(count, width // 2)) :]
    if len(body) != count * width:
        raise RejectError(f"{place}: got {len(body)} bytes of numbers, wanted {count * width}")
    rows = (body[start : start + width] for start in range(0, count * width, width))
    none = _NAN * (width // 2)
    return [b"" if row == none else row for row in rows]


def completed(rows: Sequence[bytes], before: Sequence[bytes]) -> list[bytes]:
    """`before`, and where that has nothing, `rows`."""
    return [old or new for old, new in zip(before, rows, strict=True)]


def vectors(store: JobStore, job_id: str, plan: Sequence[Segment]) -> Iterator[tuple[int, bytes]]:
    """Item number and embedding of every item that has one, in manifest order.

    Raises StorageError, RejectError.
    """
    at, rows = -1, [b""]
    for chunk, line in located(store, job_id, plan):
        record = parsed(line)
        if "embedding" not in record:
            continue
        if chunk != at:
            path = store.vectors_file(job_id, chunk)
            with storage_errors(path):
                at, rows = chunk, decoded(path.read_bytes(), str(path))
        row = rows[record["embedding"]]
        if row:
            yield record["i"], row


def write_npy(found: Iterator[tuple[int, bytes]], items: int, out: BinaryIO) -> int:
    """All embeddings as one array: row `i` is item `i`'s. Returns how many there are.

    Raises RejectError where there is none.
    """
    first = next(found, None)
    if first is None:
        raise RejectError(
            "there are no embeddings in this job. Make some: farm submit PATH --recipe embed",
            code="export",
        )
    width = len(first[1])
    out.write(_header(items, width // 2))
    empty = _NAN * (width // 2)
    written = count = 0
    for i, row in chain([first], found):
        out.write(empty * (i - written) + row)
        written, count = i + 1, count + 1
    for _ in range(items - written):
        out.write(empty)
    return count


def _header(rows: int, width: int) -> bytes:
    text = f"{{'descr': '<f2', 'fortran_order': False, 'shape': ({rows}, {width}), }}".encode()
    room = -(len(_MAGIC) + 2 + len(text) + 1) % _BLOCK
    text += b" " * room + b"\n"
    return _MAGIC + len(text).to_bytes(2, "little") + text
