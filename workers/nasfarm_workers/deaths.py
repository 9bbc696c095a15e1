"""How a worker process ended to what it says about the image it worked on. Pure."""

from __future__ import annotations

import re

from nasfarm.core.lease_rules import Cause

_SIGNAL = re.compile(r"signal (\d+)")
_ITS_OWN = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV"}
_ALARM, _KILL = 14, 9


def cause_of(said: str, *, out_of_memory: bool) -> tuple[Cause, str]:
    """The cause and a word for the log from what Celery says: `… signal 11 (SIGSEGV) …`.

    out_of_memory: the kernel has ended a process of this slot for lack of memory since the last
    look. Only then does a SIGKILL say anything about the image.
    """
    found = _SIGNAL.search(said)
    number = int(found.group(1)) if found else 0
    if number == _ALARM:
        return Cause.TIMEOUT, "took too long"
    if number in _ITS_OWN:
        return Cause.DIED, _ITS_OWN[number]
    if number == _KILL and out_of_memory:
        return Cause.DIED, "out of memory"
    if number == _KILL or not found:
        return Cause.KILLED, "SIGKILL"
    return Cause.KILLED, f"signal {number}"
