"""Numbers to words that people read: counts, bytes, times, how far a job is. Pure."""

from __future__ import annotations

from datetime import datetime

from nasfarm.core.jobs import Progress
from nasfarm.core.times import clock


def number_of(count: int, thing: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def amount(size: int) -> str:
    """Bytes in words: `840 bytes`, `12 kB`, `3.4 MB`, `1.2 GB`."""
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1000:.0f} kB" if size >= 1000 else number_of(size, "byte")


def duration(seconds: float | None) -> str:
    """`48 s`, `12 min`, `3 h 20 min`; `-` where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def rate(per_s: float | None) -> str:
    """`8.1 images/s`; empty where it is not known."""
    if not per_s:
        return ""
    return f"{per_s:.3g} images/s" if per_s < 1000 else f"{per_s:.0f} images/s"


def how_far(now: Progress) -> str:
    """`12 of 400 pictures, 8.1 images/s, 48 s left, to be done by 14:30`."""
    text = f"{now.ok + now.errors} of {number_of(now.items, 'picture')}"
    if now.images_per_s:
        text += f", {rate(now.images_per_s)}"
    if now.eta_s is not None:
        text += f", {duration(now.eta_s)} left"
    return text if now.finish_by is None else f"{text}, {in_time(now.finish_by, now.soonest)}"


def in_time(finish_by: datetime, soonest: datetime | None) -> str:
    """`to be done by 14:30`, or `done about 16:10, too late for 14:30`."""
    wanted = clock(finish_by, finish_by)
    if soonest is None:
        return f"to be done by {wanted}"
    done = clock(soonest, finish_by)
    when = "just" if done == wanted else f"about {done},"
    return f"done {when} too late for {wanted}"
