"""Values to what a user reads: JSON documents, tables, progress, marks of time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence

import click

from nasfarm.core import wire
from nasfarm.core.jobs import Progress

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
    widths = [max(len(row[n]) for row in cells) for n in range(len(heads))]
    for row in cells:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def duration(seconds: float | None) -> str:
    """`48 s`, `12 min`, `3 h 20 min`; `-` where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Follower:
    """Shows a job's progress as it changes: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar = sys.stderr.isatty()
        self._last = ""
        self._note = ""

    def __call__(self, now: Progress) -> None:
        if self._quiet:
            return
        if now.note and now.note != self._note:
            self._end_bar()
            say(f"{now.job_id}: {now.note}")
        self._note = now.note
        done = now.ok + now.errors
        text = f"{done} of {now.items} images"
        if now.images_per_s:
            text += f", {now.images_per_s:g} images/s, {duration(now.eta_s or 0)} left"
        if self._bar:
            width = 24 * done // max(1, now.items)
            click.echo(f"\r\x1b[K[{'#' * width}{'.' * (24 - width)}] {text}", nl=False, err=True)
            self._last = text
            if now.state.ended:
                self._end_bar()
        elif (step := f"{10 * done // max(1, now.items)}{now.state}") != self._last:
            self._last = step
            say(f"{now.job_id}: {now.state}, {text}")

    def _end_bar(self) -> None:
        if self._bar and self._last:
            click.echo("", err=True)
            self._last = ""


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


def watch(show: Callable[[], None], every_s: float = 1.0) -> None:
    """Show something again and again on a cleared screen, until Ctrl-C."""
    try:
        while True:
            click.clear()
            show()
            time.sleep(every_s)
    except KeyboardInterrupt:
        return
