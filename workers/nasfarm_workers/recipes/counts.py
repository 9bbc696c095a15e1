"""Result lines, as they go by, to what a summary counts of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nasfarm_workers.recipes.maps import found_in

_SOURCES = ("exif", "name", "video", "mtime")
"""Where an item's time may come from, the surest first."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many lines are `ok` and how many `error`, how often each label was found, and where the
    times of items come from.
    """

    status: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one line, as JSON has it."""
        self.status[record["status"]] += 1
        self.found.update(found_in(record))
        if "time_source" in record:
            self.sources[record["time_source"]] += 1

    @property
    def most_first(self) -> Iterator[tuple[str, int]]:
        """Label and how often, the most frequent first."""
        return iter(sorted(self.found.items(), key=lambda entry: (-entry[1], entry[0])))

    @property
    def times(self) -> Iterator[tuple[str, int]]:
        """Source and of how many items, the surest first."""
        return ((name, self.sources[name]) for name in _SOURCES if self.sources[name])
