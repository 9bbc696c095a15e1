"""Times as result lines have them to seconds on one axis, and back to words. Pure.

Wall clock: what a clock on the wall showed where the picture was taken, in seconds since 1970,
whatever its time zone: "at noon" means noon there. Film: seconds since a video's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from nasfarm_workers.report.html import Words, same

EPOCH = datetime(1970, 1, 1)
LAST_S = (datetime.max - EPOCH).total_seconds()
DAY = 86_400
MONTH, YEAR = 31 * DAY, 366 * DAY
"""Steps of the calendar: at least so long, and as long as the calendar says."""

STEPS = (
    1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, DAY, 2 * DAY,
    7 * DAY, MONTH, 3 * MONTH, YEAR, 5 * YEAR, 20 * YEAR,
)  # fmt: skip
"""How far apart the marks of an axis may be."""

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis and what stands there."""

    at_s: float
    words: Words


def wall_s(text: str) -> float | None:
    """ISO 8601 to seconds of the wall clock; None where it is none."""
    try:
        return (datetime.fromisoformat(text).replace(tzinfo=None) - EPOCH).total_seconds()
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def minute_s(text: str) -> float | None:
    """`2026-05-04T12:00` to seconds: pictures of one minute come together, and parsing is dear."""
    return wall_s(text)


def quick_wall_s(text: str) -> float | None:
    """As `wall_s`, to the second, for lines by the 100,000."""
    second = text[17:19]
    if not second.isdecimal():
        return wall_s(text)
    minute = minute_s(text[:16])
    return None if minute is None else minute + int(second)


def floor(step_s: int, at_s: float) -> int:
    """Where the step begins that holds a moment; months and years are the calendar's."""
    if step_s < MONTH:
        return int(at_s // step_s) * step_s
    year, month = (EPOCH + timedelta(seconds=at_s)).timetuple()[:2]
    if step_s < YEAR:
        months = step_s // MONTH
        start = datetime(year, 1 + (month - 1) // months * months, 1)
    else:
        years = step_s // YEAR
        start = datetime(max(1, year // years * years), 1, 1)
    return int((start - EPOCH).total_seconds())


def following(step_s: int, start_s: int) -> int:
    """Where the step after that begins."""
    return floor(step_s, start_s + step_s + (5 * DAY if step_s >= MONTH else 0))


def marks(first_s: float, last_s: float, most: int, *, film: bool) -> list[Mark]:
    """At most about `most` round places between two moments."""
    span_s = max(1e-9, last_s - first_s)
    step_s = next((step for step in STEPS if span_s / step <= most), STEPS[-1])
    found = []
    at_s = floor(step_s, first_s)
    while at_s <= last_s:
        if at_s >= first_s:
            found.append(Mark(at_s, film_time(at_s) if film else _mark(at_s, step_s)))
        if at_s + 2 * max(step_s, YEAR) > LAST_S:  # no calendar goes on
            break
        at_s = following(step_s, at_s)
    return found


def film_time(at_s: float) -> Words:
    """`1:05`, `1:00:05`: how long a video has run."""
    minutes, seconds = divmod(int(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return same(f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}")


def moment(at_s: float, *, seconds: bool = False) -> Words:
    """`4 May 2026, 12:00` of the wall clock."""
    when = clock(at_s, seconds=seconds)
    english, chinese = day(at_s)
    return (f"{english}, {when}", f"{chinese} {when}")


def clock(at_s: float, *, seconds: bool = False) -> str:
    """`12:00` of the wall clock."""
    when = EPOCH + timedelta(seconds=at_s)
    return f"{when:%H:%M:%S}" if seconds else f"{when:%H:%M}"


def day(at_s: float) -> Words:
    """`4 May 2026`."""
    when = EPOCH + timedelta(seconds=at_s)
    return (
        f"{when.day} {_MONTHS[when.month - 1]} {when.year}",
        f"{when.year}年{when.month}月{when.day}日",
    )


def stretch(first_s: float, last_s: float) -> Words:
    """From when to when: `4 May 2026, 09:00–18:30`, or two days."""
    if int(first_s // DAY) != int(last_s // DAY):
        begin, end = day(first_s), day(last_s)
        return (f"{begin[0]} – {end[0]}", f"{begin[1]} – {end[1]}")
    english, chinese = moment(first_s)
    last = clock(last_s)
    if english.endswith(last):
        return (english, chinese)
    return (f"{english}–{last}", f"{chinese}–{last}")


def length(seconds: float) -> Words:
    """`0.4 s`, `48 s`, `6 min 35 s`, `12 min`, `3 h 20 min`: how long something takes."""
    if seconds < 90:
        number = f"{seconds:.1f}".removesuffix(".0") if seconds < 10 else f"{seconds:.0f}"
        return (f"{number} s", f"{number} 秒")
    if seconds < 600:
        minutes, rest = divmod(round(seconds), 60)
        return (f"{minutes} min {rest} s", f"{minutes} 分 {rest} 秒")
    minutes = round(seconds / 60)
    if minutes < 90:
        return (f"{minutes} min", f"{minutes} 分钟")
    hours, minutes = divmod(minutes, 60)
    if not minutes:
        return (f"{hours} h", f"{hours} 小时")
    return (f"{hours} h {minutes} min", f"{hours} 小时 {minutes} 分钟")


def step_words(step_s: int) -> Words:
    """`1 minute`, `3 hours`, `1 day`: how much one column of a chart holds."""
    for size_s, english, chinese in (
        (YEAR, "year", "年"), (MONTH, "month", "个月"), (DAY, "day", "天"),
        (3600, "hour", "小时"), (60, "minute", "分钟"), (1, "second", "秒"),
    ):  # fmt: skip
        if step_s >= size_s:
            count = step_s // size_s
            return (f"{count} {english}{'s' * (count > 1)}", f"{count} {chinese}")
    return ("", "")


def _mark(at_s: float, step_s: int) -> Words:
    when = EPOCH + timedelta(seconds=at_s)
    if step_s >= YEAR:
        return (f"{when.year}", f"{when.year}年")
    if step_s >= MONTH:
        return (f"{_MONTHS[when.month - 1]} {when.year}", f"{when.year}年{when.month}月")
    if step_s >= DAY or at_s % DAY == 0:
        return (f"{when.day} {_MONTHS[when.month - 1]}", f"{when.month}月{when.day}日")
    return same(f"{when:%H:%M:%S}" if step_s < 60 else f"{when:%H:%M}")
