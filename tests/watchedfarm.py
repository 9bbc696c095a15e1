"""A real farm with a watcher: files go into its drop folder, lines with their contents come out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from farmyard import Farmyard, wait_until
from pictures import picture

RECIPE = "detect"

SOON = "watch.settle_s: 0.5\nwatch.poll_s: 0.3\n"
"""For farm.yml: a watcher that waits for nothing long."""


@dataclass(slots=True)
class Watched(Farmyard):
    """A farm with a watcher."""

    watch: bool = True

    @property
    def inbox(self) -> Path:
        return self.home / "inbox" / RECIPE

    @property
    def taken(self) -> Path:
        return self.home / "inbox" / ".taken" / RECIPE

    def job(self) -> Path:
        return self.home / "jobs" / f"watch-{RECIPE}-{datetime.now():%Y-%m-%d}"

    def file_of(self, item: str) -> Path:
        return self.home / item.partition(":")[2].replace("%25", "%")

    def published(self) -> Iterator[dict[str, Any]]:
        """Every line that is published, whether or not the same item has another."""
        folder = self.job() / "chunks"
        for path in folder.glob("*.jsonl") if folder.is_dir() else ():
            yield from map(json.loads, path.read_bytes().splitlines())

    def planned(self) -> list[dict[str, Any]]:
        """The whole lines of the manifest."""
        manifest = self.job() / "manifest.jsonl"
        lines = manifest.read_bytes().splitlines(keepends=True) if manifest.exists() else []
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def items(self) -> Counter[str]:
        """How many lines each item has that is published."""
        return Counter(line["item"] for line in self.published())

    def contents(self) -> Counter[bytes]:
        """How many lines each content has."""
        found: Counter[bytes] = Counter()
        for item, count in self.items().items():
            found[self.file_of(item).read_bytes()] += count
        return found

    def watcher(self) -> psutil.Process | None:
        found = [p for p in self.processes() if p.cmdline()[-1:] == ["watch"]]
        return found[0] if found else None

    def settled(self, timeout_s: float) -> None:
        """Wait until nothing is left in the inbox and every taken file has a line."""
        wait_until(lambda: not any(p.is_file() for p in self.inbox.rglob("*")), timeout_s, "taken")

        def done() -> bool:
            files = sum(1 for path in self.taken.rglob("*.jpg") if path.name[0] != ".")
            return files == len(self.planned()) == sum(self.items().values())

        wait_until(done, timeout_s, "a line each")

    def log(self) -> str:
        """What the watcher has said."""
        path = self.state / "logs" / "watch.jsonl"
        return path.read_text() if path.exists() else ""


def begun(farm: Watched, settings: str = "") -> Watched:
    """Bring a farm up, and wait for its drop folder."""
    farm.ok("init")
    (farm.home / "farm.yml").write_text(settings)
    farm.up()
    wait_until(farm.inbox.is_dir, what="the drop folder")
    return farm


def small(n: int, folder: Path) -> bytes:
    """The bytes of a small picture unlike all others."""
    return picture(folder / "one.jpg", n).read_bytes() + n.to_bytes(4, "big")
