"""How slow this machine is right now. Promises in seconds are for a quiet one: `quiet_s`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

REFERENCE = [sys.executable, "-c", "import asyncio, decimal, email.message, http.client"]
QUIET_S = 0.15
"""What that takes on a quiet machine of two cores: .115 to .136 s, in 18 of 18 starts."""


def quiet_s(took_s: float) -> float:
    """What would have taken `took_s` on a quiet machine: by how much slower a Python starts now."""
    now_s = statistics.median(_seconds() for _ in range(3))
    slower = max(1.0, now_s / QUIET_S)
    print(f"{took_s:.2f} s; a Python starts in {now_s:.2f} s, {slower:.1f} times as long as usual")
    return took_s / slower


def _seconds() -> float:
    begun = time.monotonic()
    subprocess.run(REFERENCE, check=True)
    return time.monotonic() - begun
