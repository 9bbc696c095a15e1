"""An item and its picture to when it was taken, and how that is known. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from nasfarm.core.items import Item
from nasfarm_workers.pixels import Picture

_WRITTEN = re.compile(
    r"(?<!\d)((?:19|20)\d\d)(?P<date>[-_.]?)(\d\d)(?P=date)(\d\d)"
    r"(?:(?:[-_ T.@]|_at_| at )|(?<=\d{8})(?=\d))"
    r"(\d\d)(?P<time>[-_.:]?)(\d\d)(?P=time)(\d\d)"
    r"(?:\.?(\d{3}))?(?!\d)",
    re.IGNORECASE,
)
"""Year to second as cameras and phones write them: IMG_20260504_120001, 2026-05-04 12.00.01,
cam1-20261123140205, each perhaps with thousandths of a second."""


def taken(item: Item, picture: Picture) -> tuple[str, str]:
    """When a picture was taken (ISO 8601) and the source of that, the surest there is.

    `exif`: the picture says it. `name`: its file's name does; that is the local time of whoever
    named it. `video`: the film says when it begins. `mtime`: the file's time, in UTC. Of a frame
    all but the first are the film's beginning and so many seconds.
    """
    if picture.time_source == "exif":
        return picture.taken_at, "exif"
    named = named_time(item.item)
    if named is None and picture.taken_at:
        return picture.taken_at, picture.time_source
    shown = named or datetime.fromtimestamp(item.mtime_ns // 10**9, UTC)
    if item.frame is not None:
        shown += timedelta(seconds=item.frame.seconds)
    finest = "milliseconds" if item.frame or shown.microsecond else "seconds"
    return shown.isoformat(timespec=finest), "name" if named else "mtime"


def read_time(taken_at: str) -> datetime:
    """The `taken_at` of a line. An offset that no clock has is left out.

    >>> read_time("2026-05-04T12:00:00+24:00")
    datetime.datetime(2026, 5, 4, 12, 0)
    """
    try:
        return datetime.fromisoformat(taken_at)
    except ValueError:
        return datetime.fromisoformat(taken_at[: len("2026-05-04T12:00:00")])


def named_time(item: str) -> datetime | None:
    """The time in the name of an item's file, without an offset; None where there is none.

    >>> named_time("cams:door/cam1-20261123140205.jpg")
    datetime.datetime(2026, 11, 23, 14, 2, 5)
    """
    for found in _WRITTEN.finditer(PurePosixPath(item.partition(":")[2]).name):
        year, month, day, hour, minute, second, thousandths = found.group(1, 3, 4, 5, 7, 8, 9)
        try:
            return datetime(
                int(year), int(month), int(day), int(hour), int(minute), int(second),
                1000 * int(thousandths or 0),
            )  # fmt: skip
        except ValueError:  # a number that only looks like a time
            continue
    return None
