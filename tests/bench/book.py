"""Measured keys to build/bench.json: each is kept as soon as it is known, the others stay."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nasfarm_workers.bench.rounds import NOISY, Rounds

SECTIONS = ("ratios", "figures", "agreement")


def asked(text: str) -> tuple[str, ...]:
    """`ONLY=` as it is written: parts of keys, with commas between several."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(slots=True)
class Book:
    """The file `path`. only: parts of the keys to be measured anew; none: all of them."""

    path: Path
    only: tuple[str, ...] = ()
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    def open(self) -> None:
        """Read what earlier runs have left, and note the machine."""
        if self.path.exists():
            self.kept = json.loads(self.path.read_text())
        self.kept["machine"] = machine()
        for section in (*SECTIONS, "spread", "rounds", "measured_at"):
            self.kept.setdefault(section, {})

    def wants(self, *keys: str) -> bool:
        """Whether one of the keys is to be measured."""
        return not self.only or any(part in key for part in self.only for key in keys)

    def keep(self, section: str, key: str, rounds: Rounds) -> None:
        """Print a key and write it down at once, if it is wanted."""
        if not self.wants(key):
            return
        self.kept[section][key] = significant(rounds.median)
        self.kept["spread"][key] = round(rounds.spread, 3)
        self.kept["rounds"][key] = [significant(value) for value in rounds.values]
        self.kept["measured_at"][key] = datetime.now(UTC).isoformat(timespec="seconds")
        self.path.parent.mkdir(exist_ok=True)
        half_written = self.path.with_suffix(".new")
        half_written.write_text(json.dumps(self.kept, indent=2) + "\n")
        half_written.rename(self.path)
        print(row(key, rounds), flush=True)

    def figure(self, key: str, values: Iterable[float]) -> None:
        self.keep("figures", key, Rounds(tuple(values)))

    def noisy(self) -> list[str]:
        """The kept keys of several rounds that differ by more than a quiet machine's do."""
        return [key for key, spread in self.kept["spread"].items() if spread > NOISY]


def significant(value: float) -> float:
    """Four digits: more would be made up."""
    return float(f"{value:.4g}")


def row(key: str, rounds: Rounds) -> str:
    """A key as the table shows it: median, lowest, highest, and a word where it was noisy."""
    low, high = min(rounds.values), max(rounds.values)
    between = f"{low:10.4g} to {high:.4g}" if len(rounds.values) > 1 else ""
    noise = f"  noisy machine: {rounds.spread:.0%} apart" if rounds.noisy else ""
    return f"{key:36} {rounds.median:10.4g} {between}{noise}"


def machine() -> dict[str, Any]:
    """What the figures are of."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in facts if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": ".".join(map(str, sys.version_info[:3])),
        "load": os.getloadavg()[0],
    }
