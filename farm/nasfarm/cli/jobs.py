"""`farm jobs`: every job, the newest first."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, job_table, say


@click.command()
@as_json
@click.pass_obj
def jobs(session: Session, as_json: bool) -> None:
    """List all jobs, the newest first."""
    from nasfarm import follow

    farm = session.farm()
    known = follow.jobs(farm.home, farm.broker)
    if as_json:
        document(known)
    elif known:
        job_table(known)
    else:
        say("No job yet. Hand in pictures with: farm submit FOLDER --recipe detect")
