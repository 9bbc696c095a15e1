"""Result lines to JSONL and CSV, which hold everything a line can say.

Lines are read as often as a format needs and never held, so a million cost no memory.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from nasfarm.core import wire
from nasfarm.core.lines import FAINT

FORMATS = ("jsonl", "csv", "coco", "yolo", "npy")

MARK = "\ufeff"
"""The byte order mark: without it Excel reads Chinese names as something else."""

Line = Mapping[str, Any]
"""One result line as JSON has it."""
Lines = Callable[[], Iterator[Line]]
"""Each call reads the job's result lines anew, from the first."""

CSV_COLUMNS = (
    "i item status width height model taken_at frame seconds found label text score "
    "x1 y1 x2 y2 polygon more error_code error inherited"
).split()
_COPIED = CSV_COLUMNS[:7]
_NOT_FOUND = frozenset({*_COPIED, "time_source", "frame", "error", "inherited", FAINT})
"""Fields that are no things found: a faint one in a table would be counted."""
_WORDS = ("label", "text")
_IN_COLUMNS = frozenset({*_WORDS, "class_id", "score", "box", "polygon"})


@dataclass(frozen=True, slots=True)
class Exported:
    """How many items were written, and how many of them the format has no place for."""

    items: int
    left_out: int


def write_jsonl(lines: Lines, out: BinaryIO) -> Exported:
    """The lines as they are."""
    count = 0
    for line in lines():
        out.write(wire.encode(line) + b"\n")
        count += 1
    return Exported(count, 0)


def write_csv(lines: Lines, out: BinaryIO) -> Exported:
    """A row for each thing found; one row for an item without any, and for one that failed.

    UTF-8 that begins with MARK.
    """
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    count = 0
    try:
        text.write(MARK)
        table = csv.DictWriter(text, CSV_COLUMNS, restval="", extrasaction="ignore")
        table.writeheader()
        for line in lines():
            table.writerows(_rows(line))
            count += 1
    finally:
        text.detach()  # or `out` would be closed with the wrapper
    return Exported(count, 0)


def _rows(line: Line) -> Iterator[dict[str, object]]:
    frame = line.get("frame") or {}
    about = {name: line.get(name, "") for name in (*_COPIED, "inherited")}
    about |= {"item": cell(line["item"])}
    about |= {"frame": frame.get("number", ""), "seconds": frame.get("seconds", "")}
    error = line.get("error")
    if error:
        yield about | {"error_code": error["code"], "error": cell(error["message"])}
        return
    empty = True
    for found, thing in _things(line):
        empty = False
        yield about | {"found": found} | _described(thing)
    if empty:
        yield about


def _things(line: Line) -> Iterator[tuple[str, object]]:
    for field, value in line.items():
        if field in _NOT_FOUND:
            continue
        for thing in value if isinstance(value, list | tuple) else [value]:
            yield field, thing


def _described(thing: object) -> dict[str, object]:
    if not isinstance(thing, Mapping):
        return {"more": thing}
    row: dict[str, object] = {name: cell(thing[name]) for name in _WORDS if name in thing}
    if "score" in thing:
        row["score"] = thing["score"]
    if "box" in thing:
        row |= zip(("x1", "y1", "x2", "y2"), thing["box"], strict=True)
    if "polygon" in thing:
        row["polygon"] = " ".join(f"{x},{y}" for x, y in thing["polygon"])
    rest = {name: value for name, value in thing.items() if name not in _IN_COLUMNS}
    return row | ({"more": wire.encode(rest).decode()} if rest else {})


def cell(text: str) -> str:
    """Text as a cell of a CSV file."""
    # A spreadsheet runs a cell that begins like a formula, and photos hold any text: an
    # apostrophe makes it text (OWASP, "CSV injection").
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
