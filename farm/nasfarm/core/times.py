"""What a clock on the wall shows to a moment, and a moment to what it shows. Pure: no clock."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta

from nasfarm.errors import RejectError

_SHOWN = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


def next_time(text: str, now_s: float) -> datetime:
    """When the clocks here show `HH:MM` (or `HH:MM:SS`) next: today, or else tomorrow.

    A time that is left out when the clocks go forward is as long after midnight as ever; one that
    comes twice when they go back is the first of the two that is still to come.
    now_s: seconds since 1970. Raises RejectError for what is no time.
    """
    shown = _SHOWN.fullmatch(text)
    if shown is None:
        raise RejectError(f"--finish-by: got '{text}', wanted a time of day such as 06:30.")
    hour, minute, second = (int(part or 0) for part in shown.groups())
    first = datetime.combine(datetime.fromtimestamp(now_s), time(hour, minute, second))
    tomorrow = first + timedelta(days=1)
    moments = (each.timestamp() for each in (first, first.replace(fold=1), tomorrow))
    # By its seconds: `astimezone` alone takes a time that is left out for one before the change.
    return datetime.fromtimestamp(next(s for s in moments if s > now_s)).astimezone()


def clock(at: datetime, beside: datetime) -> str:
    """`14:30` here; with its day where that is another one than `beside` has."""
    here = at.astimezone()
    same_day = here.date() == beside.astimezone().date()
    return here.strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M")
