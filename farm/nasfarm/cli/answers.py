"""A request to a job, and what became of it to what people and programs read."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click

from nasfarm import deadlines, follow
from nasfarm.api import Farm
from nasfarm.cli import sampling
from nasfarm.cli.show import document, in_time, say
from nasfarm.cli.waiting import exit_status, handed_in, wait_for
from nasfarm.core import wire
from nasfarm.core.jobs import Progress, State
from nasfarm.core.requests import Request, Submitted


def tell(
    farm: Farm, request: Request, *, wait: bool, timeout_s: float | None, as_json: bool
) -> None:
    """Hand it in, say what became of it, and exit with its status."""
    # A sample is done at once; the time it says is meant for the whole.
    asked = replace(request, finish_by=None) if request.sample else request
    done = farm.request(asked)
    answer = wire.plain(done)
    del answer["hinted"], answer["whole"]
    lines = [handed_in(done, dry_run=request.dry_run)]
    status = 0
    if done.job_id:
        more, told = begun(farm, asked, done, quiet=wait or as_json)
        lines += more
        answer |= told
    if not as_json:
        say("\n".join(lines))
    if wait and done.job_id:
        status, told = ended(farm, request, done, timeout_s, quiet=as_json)
        answer |= told
    elif wait and not request.dry_run:  # nothing new to do
        answer |= {"state": State.DONE.value, "ok": 0, "errors": 0, "images_per_s": None}
    if as_json:
        document(answer)
    elif done.job_id and not sys.stdout.isatty():  # for `job=$(farm submit …)`
        click.echo(done.job_id)
    sys.exit(status)


def begun(
    farm: Farm, request: Request, done: Submitted, *, quiet: bool
) -> tuple[list[str], dict[str, Any]]:
    """What to say of a job that was just handed in, and what a program is told of it.

    quiet: nobody needs to be told how to follow it.
    """
    if not done.hinted:
        away = "The broker went away: queued on storage, it runs when the farm is up again."
        return [away], {}
    if quiet and request.finish_by is None:
        return [], {}
    job = farm.job(done.job_id)
    now = follow.progress(job, farm.home, farm.broker)
    lines = [] if quiet else [now.note or f"Follow it: farm wait {done.job_id}"]
    if request.finish_by is None:
        return lines, {}
    # At once: what the farm itself says of it comes with its next look.
    now = replace(now, soonest=deadlines.too_late(job, farm.home, farm.broker))
    told = {"finish_by": now.finish_by, "soonest": now.soonest}
    return ([] if now.state.ended else [on_time(farm, request, now)]) + lines, told


def on_time(farm: Farm, request: Request, now: Progress) -> str:
    """Whether it will be done by the time that was asked for."""
    if now.finish_by is None:
        return "It is there already, without a time to be done by. Anew with one: --again."
    said = in_time(now.finish_by, now.soonest)
    if now.finish_by != request.finish_by:
        return f"It is there already, {said}. Anew with another time: --again."
    if now.soonest is not None:
        return f"Every slot there is does not suffice: {said}."
    if farm.broker.rates.of(farm.job(now.job_id).recipe) is None:
        return f"It is {said}. Whether that can be done shows soon: farm status {now.job_id}"
    return f"It is {said}."


def ended(
    farm: Farm, request: Request, done: Submitted, timeout_s: float | None, *, quiet: bool
) -> tuple[int, dict[str, Any]]:
    """Wait for the job's end: the exit status, and what a program is told of it."""
    end = wait_for(farm, done.job_id, timeout_s, quiet=quiet)
    keep = ("state", "ok", "errors", "images_per_s")
    told = {name: value for name, value in wire.plain(end).items() if name in keep}
    if request.sample and end.state is State.DONE:
        seen = sampling.look(farm, request, done)
        if not quiet:
            say("\n".join(sampling.told(seen, request)))
        told["sample"] = seen
    return exit_status(end), told
