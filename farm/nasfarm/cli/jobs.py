"""`farm jobs`: the newest jobs, or every one."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, job_table, number_of, say

ROWS = 50
"""A screenful or two; over the years there are thousands."""


@click.command()
@click.option("--limit", type=click.IntRange(min=1), help="Show so many jobs (default: 50).")
@click.option("--all", "every", is_flag=True, help="Show every job; --json does without it, too.")
@as_json
@click.pass_obj
def jobs(session: Session, limit: int | None, every: bool, as_json: bool) -> None:
    """List the newest jobs, the newest first."""
    from nasfarm import listing

    farm = session.farm()
    most = limit or (None if every or as_json else ROWS)
    known = listing.jobs(farm.home, farm.broker, most)
    if as_json:
        document(known.jobs)
    elif known.jobs:
        job_table(known.jobs)
    else:
        say("No job yet. Hand in pictures with: farm submit FOLDER --recipe detect")
    if known.more and not as_json:
        say(f"{number_of(known.more, 'older job')}. See them all: farm jobs --all")
