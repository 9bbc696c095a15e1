"""How far a receiver has been told ↔ a small file beside the jobs, replaced in one step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

from nasfarm.core import wire
from nasfarm.core.ranges import Ranges, minus, numbers_in, plus
from nasfarm.errors import RejectError
from nasfarm.notices.outbox import Day
from nasfarm.storage.atomic import storage_errors, sync_folder, write_file

FORMAT = 1
FOLDER = ".notices"
"""Below jobs/. One file for each receiver of a recipe, not one for each job: cooldowns go on over
midnight, and what a new rule has to leave alone is written down once."""


@dataclass(frozen=True, slots=True)
class Position:
    """What one receiver of a recipe has been told.

    rules: names of the rules it hears of. floor: ISO date; earlier days are done with.
    handled: job id → its chunks that are done with. cooled: see `events_of`.
    job_id, chunk: the chunk at hand, sent: the ids of its events that have arrived.
    """

    rules: tuple[str, ...]
    floor: str
    handled: Mapping[str, Ranges] = field(default_factory=dict)
    cooled: Mapping[str, float] = field(default_factory=dict)
    job_id: str = ""
    chunk: int = -1
    sent: tuple[str, ...] = ()
    format: int = FORMAT

    def sent_of(self, job_id: str, chunk: int) -> frozenset[str]:
        """The events of a chunk that have arrived already."""
        return frozenset(self.sent if (job_id, chunk) == (self.job_id, self.chunk) else ())

    def with_sent(self, job_id: str, chunk: int, event_id: str) -> Position:
        sent = self.sent_of(job_id, chunk) | {event_id}
        return replace(self, job_id=job_id, chunk=chunk, sent=tuple(sorted(sent)))

    def with_chunk(self, job_id: str, chunk: int, cooled: Mapping[str, float]) -> Position:
        """Done with a chunk; the next one begins."""
        handled = {**self.handled, job_id: plus(self.handled.get(job_id, ()), chunk)}
        return replace(self, handled=handled, cooled=cooled, job_id="", chunk=-1, sent=())

    def without_past(self, days: Sequence[Day], yesterday: str) -> Position:
        """Done with the oldest days that are whole; yesterday stays: a clock may be set back."""
        floor = self.floor
        for day in days:
            open_chunks = minus(day.chunks, self.handled.get(day.job_id, ()))
            if day.day >= yesterday or not day.whole or open_chunks:
                break
            floor = max(floor, (date.fromisoformat(day.day) + timedelta(1)).isoformat())
        if floor == self.floor:
            return self
        # Of the newest two it is kept all the same: a clock that ran ahead may be put right.
        past = {day.job_id for day in days[:-2] if day.day < floor}
        handled = {job_id: runs for job_id, runs in self.handled.items() if job_id not in past}
        return replace(self, floor=floor, handled=handled)


def beginning(rules: tuple[str, ...], days: Sequence[Day], yesterday: str) -> Position:
    """The position of a receiver that is new: what is published already is not news."""
    return Position(rules, yesterday, {day.job_id: day.chunks for day in days})


def due(days: Sequence[Day], position: Position) -> Iterator[tuple[str, int]]:
    """Job and number of the chunks to tell of, in order, up to the first that has to wait."""
    for day in days:
        limit = min(day.awaited, default=None)
        for number in numbers_in(minus(day.chunks, position.handled.get(day.job_id, ()))):
            if limit is not None and number > limit:
                break
            yield day.job_id, number
        if limit is not None:
            return


def read(path: Path) -> Position | None:
    """The position; None where nothing is known. Raises RejectError, StorageError."""
    with storage_errors(path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
    found = wire.decode(Position, content, str(path))
    if found.format > FORMAT:
        raise RejectError(f"{path}: got format {found.format}, wanted at most {FORMAT}")
    return found


def write(path: Path, position: Position) -> None:
    """Replace the position. Raises StorageError."""
    if not path.parent.exists():
        with storage_errors(path.parent):
            path.parent.mkdir(exist_ok=True)
            sync_folder(path.parent.parent)
    write_file(path, wire.encode(position) + b"\n")


def there(folder: Path) -> list[str]:
    """Names of all positions. Raises StorageError."""
    with storage_errors(folder):
        try:
            return sorted(name for name in os.listdir(folder) if name.endswith(".json"))
        except FileNotFoundError:
            return []
