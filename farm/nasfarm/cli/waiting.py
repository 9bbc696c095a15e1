"""A job, from handed in to its end, in words for the one who waits."""

from __future__ import annotations

import sys

from nasfarm import follow
from nasfarm.api import Farm
from nasfarm.cli.show import Follower, number_of, say
from nasfarm.core.jobs import Progress, State
from nasfarm.core.requests import Submitted

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it (128 + SIGINT)."""


def handed_in(done: Submitted, *, dry_run: bool) -> str:
    """What became of a request, and what it left out."""
    rest = f" Left out: {done.skipped.told}." if done.skipped.told else ""
    pictures = number_of(done.items, "picture")
    if done.whole > done.items:
        pictures = f"{done.items} of {number_of(done.whole, 'picture')}"
    if dry_run:
        return f"{pictures} would be handed in. Nothing was done.{rest}"
    if not done.job_id:
        return f"Nothing new to do.{rest}"
    if done.existing:
        return f"{pictures}: the same job is there already. Do it anew with --again.{rest}"
    return f"{pictures} handed in.{rest}"


def wait_for(farm: Farm, job_id: str, timeout_s: float | None, *, quiet: bool) -> Progress:
    """Follow a job to its end and say what came of it; Ctrl-C ends the waiting, not the job."""
    try:
        end = follow.wait(
            farm.job(job_id), farm.home, farm.broker, timeout_s, Follower(quiet=quiet)
        )
    except KeyboardInterrupt:
        say(f"\n{job_id} goes on.\nFollow it: farm wait {job_id}\nStop it:   farm cancel {job_id}")
        sys.exit(INTERRUPTED)
    if not quiet:
        for line in outcome(end):
            say(line)
    return end


def outcome(end: Progress) -> list[str]:
    """How a job ended, and what to do next, in lines to read."""
    rate = f", {end.images_per_s:.3g} images/s" if end.images_per_s else ""
    lines = [f"{end.job_id}: {end.state}, {end.ok} ok, {end.errors} failed{rate}"]
    if end.state is State.FAILED and end.note:
        lines.append(end.note)
    if end.ok:
        lines.append(f"What was found:  farm results {end.job_id}")
        lines.append(f"As a page:       farm report {end.job_id}")
    if end.errors:
        lines.append(f"What failed:     farm failed {end.job_id}")
    return lines


def exit_status(end: Progress) -> int:
    """1 where a picture failed or the job did not get to its end, else 0."""
    return 1 if end.errors or end.state is not State.DONE else 0
