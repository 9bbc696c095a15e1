"""`farm failed`: which pictures have an error line, and why."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from textwrap import indent
from typing import Any

import click

from nasfarm.cli.found import name
from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, say, table

ROWS = 200
JOBS = 1000
"""Without a job, so many of the newest ones are looked at."""


@click.command()
@click.argument("job", required=False)
@click.option(
    "--limit", type=click.IntRange(min=1),
    help=f"Show so many pictures; without JOB the default is {ROWS}.",
)  # fmt: skip
@as_json
@click.pass_obj
def failed(session: Session, job: str | None, limit: int | None, as_json: bool) -> None:
    """List the pictures of JOB (or of the newest jobs) that failed, with the reason."""
    from nasfarm import follow, listing

    farm = session.farm()
    most = limit or (None if job else ROWS)
    ids = [job] if job else listing.with_failures(farm.home, farm.broker, JOBS)
    found = (line for job_id in ids for line in follow.failed_lines(farm.job(job_id), farm.home))
    lines = list(islice(found, most))
    more = next(found, None) is not None
    if as_json:
        document(lines)
    elif lines:
        table(("job", "picture", "code", "tries", "node", "reason"), map(_row, lines))
        for line in lines:
            if line["excerpt"]:
                click.echo(f"\n{name(line)}:\n{indent(line['excerpt'], '    ')}")
        say(f"{len(lines)} failed. Once they are mended: farm retry {job or 'JOB'}")
    else:
        say("No picture failed.")
    if more:
        say(f"There are more. See those of one job: farm failed {job or 'JOB'}; or --limit N")


def _row(line: Mapping[str, Any]) -> tuple[object, ...]:
    reason = line["message"].removeprefix(f"{name(line)}: ")  # it stands in the row already
    tries, node = line["attempts"] or "-", line["node"] or "-"
    return line["job_id"], name(line), line["code"], tries, node, reason
