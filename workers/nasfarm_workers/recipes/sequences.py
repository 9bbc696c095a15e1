"""Lines in manifest order to moments: which picture follows which, after how many seconds. Pure.

Frames of one video, and stills of one folder, make a sequence as long as the steps between them are
short. A picture without a neighbour is a sequence of its own, and nothing in it can be followed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from nasfarm_workers.recipes.taken import read_time

T = TypeVar("T")

MOST_SOURCES = 1000
"""Of so many cameras, whose stills come mixed, each is remembered."""

_1970 = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Moment(Generic[T]):
    """A picture that was looked at. state: what belongs to its sequence.

    source: the video's address, or the still's folder. clock_s: when, on the camera's own clock, in
    seconds since 1970. passed_s: since the picture before it; None where a sequence begins.
    """

    record: Mapping[str, Any]
    source: str
    clock_s: float
    passed_s: float | None
    state: T


@dataclass(slots=True)
class Sequences(Generic[T]):
    """The sequences that may go on. last: of each source, its last picture's time and the state."""

    last: dict[str, tuple[float, T]] = field(default_factory=dict)

    def moment(
        self, record: Mapping[str, Any], longest_step_s: float, begun: Callable[[], T]
    ) -> Moment[T] | None:
        """The next line's moment; None where no picture was looked at.

        longest_step_s: pictures further apart do not follow each other; 0: none does. Time that
        goes back begins a sequence, too: stills are in the order of their names. begun: the state
        of a new sequence.
        """
        if "width" not in record:  # an error, or the same content as another file
            return None
        source, clock_s = source_of(record), clock_time_s(record)
        # A video's own seconds, because not every video says when it was taken.
        time_s = record["frame"]["seconds"] if "frame" in record else clock_s
        before = self.last.pop(source, None)
        passed_s = None if before is None else round(time_s - before[0], 3)
        if before is None or passed_s is None or not _follows(passed_s, longest_step_s):
            state, passed_s = begun(), None
        else:
            state = before[1]
        self.last[source] = (time_s, state)
        if len(self.last) > MOST_SOURCES:
            del self.last[next(iter(self.last))]
        return Moment(record, source, clock_s, passed_s, state)


def source_of(record: Mapping[str, Any]) -> str:
    """What belongs together: the address of a frame's video; of a still, that of its folder."""
    item: str = record["item"]
    if "frame" in record:
        return item
    return item.rpartition("/")[0] or item.partition(":")[0] + ":"


def clock_time_s(record: Mapping[str, Any]) -> float:
    """When a picture was taken, in seconds since 1970 on the clock of its camera.

    An offset from UTC is not taken off: noon is noon where the camera stands.
    """
    taken = read_time(record["taken_at"]).replace(tzinfo=None)
    return (taken - _1970).total_seconds()


def clock_text(clock_s: float) -> str:
    """That time as ISO 8601, to the second, without an offset."""
    first_s, last_s = ((end - _1970).total_seconds() for end in (datetime.min, datetime.max))
    shown_s = min(max(clock_s, first_s), last_s)  # a span of years may begin before year 1
    return (_1970 + timedelta(seconds=shown_s)).isoformat(timespec="seconds")


def _follows(passed_s: float, longest_step_s: float) -> bool:
    return longest_step_s > 0 and 0 <= passed_s <= longest_step_s
