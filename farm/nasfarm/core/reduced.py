"""What a recipe's reduce makes of a job's lines: facts, tables, charts, things to show. Pure."""

from __future__ import annotations

from dataclasses import dataclass

Cell = str | int | float | None
"""One value of a table; None where there is nothing to say."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that the summary says, e.g. `people_in` 7, or `dwell` 81.5 `s`.

    name: a word of ours, which the report puts into the reader's language; `of` tells several of
    one name apart: a zone, a line, a label.
    """

    name: str
    value: str | int | float
    unit: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of equal length under column names; it becomes `tables/<name>.csv` of the job."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A table drawn. kind: `time` (x is ISO 8601 or seconds) or `bars` (x is a name).

    x, ys: columns of the table of that name.
    """

    name: str
    kind: str
    table: str
    x: str
    ys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heat:
    """Where things stood for how long: `rows` x `columns` cells over the whole picture.

    seconds: row by row from the top left, of each cell. i: the item whose picture lies below.
    """

    name: str
    columns: int
    rows: int
    seconds: tuple[float, ...]
    i: int


@dataclass(frozen=True, slots=True)
class Telling:
    """An item worth seeing, and why, in a word of ours; the higher the score, the sooner."""

    i: int
    why: str
    score: float


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence that a reader should know, e.g. which times were assumed.

    text: English, with braces where each of the values stands; the report has those of ours in
    other languages, by their text.
    """

    text: str
    values: tuple[int | float, ...] = ()

    def __str__(self) -> str:
        return self.text.format(*self.values)


@dataclass(frozen=True, slots=True)
class Reduced:
    """All of it. notes: plain sentences as they are, in whichever language."""

    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    heats: tuple[Heat, ...] = ()
    telling: tuple[Telling, ...] = ()
    notes: tuple[Note | str, ...] = ()
