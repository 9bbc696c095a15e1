"""A watched recipe and a day → where its dropped files and what is said of them lie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nasfarm.core.items import HOME_ROOT, split_address


@dataclass(frozen=True, slots=True)
class Dropped:
    """A dropped file: its path below `top`, the folder of its day, or of its recipe."""

    top: Path
    name: Path

    @property
    def path(self) -> Path:
        return self.top / self.name


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """What is dropped for a recipe on one local day (`YYYY-MM-DD`). home: FARM_HOME."""

    home: Path
    recipe: str
    day: str

    @property
    def job_id(self) -> str:
        return f"watch-{self.recipe}-{self.day}"

    @property
    def taken(self) -> Path:
        """Where the day's files go."""
        return self.home / "inbox" / ".taken" / self.recipe / self.day

    @property
    def left(self) -> Path:
        """Where files lie that are to stay."""
        return self.home / "inbox" / self.recipe

    @property
    def csv(self) -> Path:
        """All lines of the day; no picture has this ending, so nobody drops one over it."""
        return self.taken / "results.csv"

    @property
    def quarantine(self) -> Path:
        return self.home / "quarantine" / self.recipe / self.day

    def file_of(self, item: str) -> Dropped | None:
        """The file that an item is of; None where it is none of this day's."""
        root, below = split_address(item)
        path = self.home / os.fsdecode(below)
        for top in (self.taken, self.left):
            if root == HOME_ROOT and path.is_relative_to(top):
                return Dropped(top, path.relative_to(top))
        return None


def leads_out(folder: Path, top: Path) -> bool:
    """Whether a link on the way from `top` to a folder below it leads elsewhere."""
    real = os.path.realpath(folder)
    return os.path.commonpath([real, os.path.realpath(top)]) != os.path.realpath(top)
