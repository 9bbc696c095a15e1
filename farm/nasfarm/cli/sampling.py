"""A sample that is done to where it lies, how long the whole would take, and the command for it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from nasfarm import deadlines
from nasfarm.api import Farm
from nasfarm.cli.show import duration, number_of
from nasfarm.core.jobs import Priority
from nasfarm.core.requests import Request, Submitted
from nasfarm.core.times import clock


@dataclass(frozen=True, slots=True)
class Seen:
    """What a sample of `whole` items has shown.

    pictures, report: where they lie; empty where there are none. forecast: of the whole; None
    where no node is there. command: what hands in the whole.
    """

    whole: int
    pictures: str
    drawn: int
    report: str
    forecast: deadlines.Forecast | None
    command: str


def look(farm: Farm, request: Request, done: Submitted) -> Seen:
    """What the sample that is done has shown. Raises BrokerError, StorageError."""
    folder = farm.home.jobs.path(done.job_id)
    pictures, report = folder / "pictures", farm.home.jobs.report(done.job_id)
    drawn = len(list(pictures.glob("*.jpg")))
    return Seen(
        done.whole,
        str(pictures) if drawn else "",
        drawn,
        str(report) if report.is_file() else "",
        deadlines.forecast(farm.job(done.job_id), done.whole, farm.home, farm.broker),
        command(request),
    )


def command(request: Request) -> str:
    """What hands in the whole, as the sample was."""
    odd = any(str(path).startswith("-") for path in request.paths)  # it is no option
    line = ["farm", "submit", *([] if odd else request.paths), "--recipe", request.recipe]
    for each in request.sets:
        line += ["--set", each]
    if request.priority is not Priority.NORMAL:
        line += ["--priority", request.priority.value]
    if request.every_s is not None:
        line += ["--every", f"{request.every_s!r}"]
    if request.new:
        line += ["--new"]
    if request.finish_by is not None:
        line += ["--finish-by", _shown(request.finish_by)]
    return shlex.join([*line, "--", *request.paths] if odd else line)


def told(seen: Seen, request: Request) -> Iterator[str]:
    """What there is to say of a sample, in lines to read."""
    if seen.pictures:
        yield f"{number_of(seen.drawn, 'picture')} with what was found drawn in: {seen.pictures}"
    else:
        yield "Nothing was found in any of them."
    if seen.report:
        yield f"Their report: {seen.report}"
    all_of_them = f"All {number_of(seen.whole, 'picture')}"
    if seen.forecast is None:
        yield f"{all_of_them}: no running node could do them now. See: farm nodes"
    else:
        yield f"{all_of_them}: {_how_long(seen.forecast)}."
        if request.finish_by is not None:
            yield _in_time(seen.forecast, request.finish_by)
    yield f"Hand them in: {seen.command}"


def _how_long(found: deadlines.Forecast) -> str:
    slots = number_of(found.slots, "slot")
    at = clock(found.done_at, datetime.now())
    return (
        f"about {duration(found.seconds)} with {slots} of {found.per_slot_s:.3g} images/s, to {at}"
    )


def _in_time(found: deadlines.Forecast, finish_by: datetime) -> str:
    wanted = clock(finish_by, datetime.now())
    if found.soonest > finish_by:
        soonest = clock(found.soonest, finish_by)
        return f"That is too late for {wanted}: with every slot they are done about {soonest}."
    if found.done_at > finish_by:
        return f"With its spare cores the farm can have them done by {wanted}."
    return f"That is in time for {wanted}."


def _shown(at: datetime) -> str:
    return at.strftime("%H:%M:%S" if at.second else "%H:%M")
