"""A node's folders and sensors to what its heartbeat tells of disks and temperature."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from nasfarm.core.nodes import Disk

LOOK_S = 10.0
"""Pause between two looks: reading all sensors of a box can take 50 ms."""

MOST_C = 150.0
"""A sensor that tells more, or less than nothing, is not connected."""


@dataclass(slots=True)
class Sensors:
    """Looks now and then. folders: name → a folder on that disk."""

    folders: Mapping[str, Path]
    disks: tuple[Disk, ...] = ()
    temperature_c: float | None = None
    next_look_s: float = 0.0

    def look(self) -> None:
        """Look again where the last time is a while ago."""
        if time.monotonic() < self.next_look_s:
            return
        self.next_look_s = time.monotonic() + LOOK_S
        self.disks = tuple(disks(self.folders))
        self.temperature_c = highest_c()


def disks(folders: Mapping[str, Path]) -> Iterator[Disk]:
    """Room on each folder's disk; one that cannot be asked now is left out."""
    for name, folder in folders.items():
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        yield Disk(name, usage.free, usage.total)


def highest_c() -> float | None:
    """The highest temperature any sensor tells; None where the box tells none."""
    try:
        found = psutil.sensors_temperatures()
    except (OSError, ValueError, AttributeError):  # a driver that fails, or no Linux
        return None
    told = [sensor.current for sensors in found.values() for sensor in sensors]
    return max((each for each in told if each is not None and 0 < each < MOST_C), default=None)
