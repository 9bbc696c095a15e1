"""`farm wait`: follow a job until it ends."""

from __future__ import annotations

import sys

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import Follower, as_json, document, say


@click.command()
@click.argument("job")
@click.option("--timeout", type=float, help="Seconds to wait at most; then exit status 75.")
@as_json
@click.pass_obj
def wait(session: Session, job: str, timeout: float | None, as_json: bool) -> None:
    """Wait until every picture of JOB has its line."""
    from nasfarm import follow

    farm = session.farm()
    loaded = farm.job(job)
    end = follow.wait(loaded, farm.home, farm.broker, timeout, Follower(quiet=as_json))
    if as_json:
        document(end)
    else:
        say(f"{end.state}: {end.ok} ok, {end.errors} failed. See: farm results {job}")
    sys.exit(1 if end.errors or end.state != "done" else 0)
