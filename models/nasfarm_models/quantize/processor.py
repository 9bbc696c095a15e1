"""This machine's processor: its name, and how many of its cores may be used."""

from __future__ import annotations

import os
from pathlib import Path


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name; "unknown processor" where the system does not say."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown processor")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))
