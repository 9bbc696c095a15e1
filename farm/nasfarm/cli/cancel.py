"""`farm cancel`: stop a job for good."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, number_of, say


@click.command()
@click.argument("job")
@as_json
@click.pass_obj
def cancel(session: Session, job: str, as_json: bool) -> None:
    """Stop JOB for good; lines that are there stay."""
    from nasfarm import follow

    farm = session.farm()
    now = follow.cancel(farm.job(job), farm.home, farm.broker)
    if as_json:
        document(now)
    else:
        done = f"{now.ok + now.errors} of {number_of(now.items, 'picture')}"
        say(f"{now.job_id} is {now.state}; {done} have a line.")
