"""Result lines, as they go by, to what a summary counts of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nasfarm.core.reduced import Note
from nasfarm_workers.recipes.maps import found_in

_SOURCES = ("exif", "name", "video", "mtime")
"""Where an item's time may come from, the surest first."""

MOST_WORDS = 100_000
"""So many different labels and texts are counted, those that come first: the words of a million
scanned pages are without number, and a small box has 300 MB for them."""

MOST_LISTED = 1_000
"""So many of them a summary lists."""

INHERITED = "{:,} of {:,} pictures showed what an earlier one did, and have its result."
SO_MANY = "{:,} different things or texts were found; the summary lists the {:,} most frequent."
AT_LEAST = f"More than {SO_MANY}"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many lines are `ok`, `error`, and `inherited`, how often each label was found, and where
    the times of items come from.
    """

    status: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one line, as JSON has it."""
        self.status[record["status"]] += 1
        self.status["inherited"] += "inherited" in record
        for word in found_in(record):
            if word in self.found or len(self.found) < MOST_WORDS:
                self.found[word] += 1
        if "time_source" in record:
            self.sources[record["time_source"]] += 1

    @property
    def most_first(self) -> tuple[tuple[str, int], ...]:
        """Label and how often, the most frequent first."""
        ordered = sorted(self.found.items(), key=lambda entry: (-entry[1], entry[0]))
        return tuple(ordered[:MOST_LISTED])

    @property
    def times(self) -> tuple[tuple[str, int], ...]:
        """Source and of how many items, the surest first."""
        return tuple((name, self.sources[name]) for name in _SOURCES if self.sources[name])

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a reader of these counts should know."""
        said = []
        if self.status["inherited"]:
            pictures = self.status["ok"] + self.status["error"]
            said.append(Note(INHERITED, (self.status["inherited"], pictures)))
        if len(self.found) > MOST_LISTED:
            least = len(self.found) == MOST_WORDS
            said.append(Note(AT_LEAST if least else SO_MANY, (len(self.found), MOST_LISTED)))
        return tuple(said)
