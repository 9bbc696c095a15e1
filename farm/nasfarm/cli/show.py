"""Values to what a user reads: JSON documents, tables, progress, marks of time."""

from __future__ import annotations

import math
import shutil
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence

import click

from nasfarm.core import wire
from nasfarm.core.jobs import Progress
from nasfarm.core.words import amount as amount
from nasfarm.core.words import duration as duration
from nasfarm.core.words import how_far as how_far
from nasfarm.core.words import in_time as in_time
from nasfarm.core.words import number_of as number_of

LINE_S = (5.0, 60.0)
"""Where there is no terminal, progress is told no more often and no more seldom than this."""


def seconds(_ctx: click.Context, _option: click.Parameter, value: float | None) -> float | None:
    """Refuse, as the callback of an option, what is no time to wait."""
    if value is not None and not 0 < value < math.inf:
        raise click.BadParameter(f"got {value:g}, wanted seconds, more than 0, e.g. 60.")
    return value


timeout = click.option(
    "--timeout", type=float, callback=seconds,
    help="Seconds to wait at most; then exit status 75.",
)  # fmt: skip
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def document(value: object) -> None:
    """Print a value as the one JSON document on stdout."""
    click.echo(wire.encode_pretty(value), nl=False)


def say(text: str) -> None:
    """A line about progress or the next step; stderr, so that stdout stays clean."""
    click.echo(text, err=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns as wide as their widest cell."""
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(_width(row[n]) for row in cells) for n in range(len(heads))]
    for row in cells:
        padded = (text + " " * (w - _width(text)) for text, w in zip(row, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _width(text: str) -> int:
    # A terminal gives Chinese characters two columns, and accents of their own none.
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


class Follower:
    """Shows a job's progress: a bar on a terminal, a plain line now and then elsewhere.

    The end is not told: the command itself says what came of it.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar = sys.stderr is not None and sys.stderr.isatty()
        self._note = ""
        self._told = (time.monotonic(), 0)

    def __call__(self, now: Progress) -> None:
        if self._quiet:
            return
        if now.note != self._note:
            self._note = now.note
            self._clear()
            if now.note:
                say(f"{now.job_id}: {now.note}")
        if now.state.ended:
            self._clear()
        elif self._bar:
            done = 24 * (now.ok + now.errors) // max(1, now.items)
            text = f"[{'#' * done}{'.' * (24 - done)}] {how_far(now)}"
            columns = shutil.get_terminal_size().columns - 1  # a wrapped bar would not be wiped
            click.echo(f"\r\x1b[K{text[:columns]}", nl=False, err=True)
        elif self._is_time(now):
            say(f"{now.job_id}: {how_far(now)}")

    def _is_time(self, now: Progress) -> bool:
        """Every tenth of the job, but not every few seconds; at least once a minute."""
        tenth = 10 * (now.ok + now.errors) // max(1, now.items)
        silent_s = time.monotonic() - self._told[0]
        if silent_s < LINE_S[0] or (tenth == self._told[1] and silent_s < LINE_S[1]):
            return False
        self._told = (time.monotonic(), tenth)
        return True

    def _clear(self) -> None:
        if self._bar:
            click.echo("\r\x1b[K", nl=False, err=True)


def job_table(jobs: Sequence[Progress]) -> None:
    """Jobs, one a row."""
    rows = (
        (job.job_id, job.state, f"{job.ok + job.errors}/{job.items}", job.errors,
         job.images_per_s, duration(job.eta_s))
        for job in jobs
    )  # fmt: skip
    table(("job", "state", "done", "failed", "images/s", "left"), rows)
    for job in jobs:
        if job.note:
            say(f"{job.job_id}: {job.note}")
        elif job.finish_by and not job.state.ended:
            say(f"{job.job_id}: {in_time(job.finish_by, job.soonest)}")


def watch(show: Callable[[], None], every_s: float = 1.0) -> None:
    """Show something again and again on a cleared screen, until Ctrl-C."""
    try:
        while True:
            click.clear()
            show()
            time.sleep(every_s)
    except KeyboardInterrupt:
        return
