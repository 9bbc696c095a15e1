"""`farm wait`: follow a job until it ends."""

from __future__ import annotations

import sys

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, timeout


@click.command()
@click.argument("job")
@timeout
@as_json
@click.pass_obj
def wait(session: Session, job: str, timeout: float | None, as_json: bool) -> None:
    """Wait until every picture of JOB has its line."""
    from nasfarm.cli.waiting import exit_status, wait_for

    end = wait_for(session.farm(), job, timeout, quiet=as_json)
    if as_json:
        document(end)
    sys.exit(exit_status(end))
