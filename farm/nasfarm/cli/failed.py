"""`farm failed`: which pictures have an error line, and why."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent
from typing import Any

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, say, table


@click.command()
@click.argument("job", required=False)
@as_json
@click.pass_obj
def failed(session: Session, job: str | None, as_json: bool) -> None:
    """List the pictures of JOB (or of every job) that failed, with the reason."""
    from nasfarm import follow

    farm = session.farm()
    ids = [job] if job else sorted(farm.home.jobs.ids())
    lines = [line for job_id in ids for line in follow.failed_lines(farm.job(job_id), farm.home)]
    if as_json:
        document(lines)
    elif lines:
        table(("job", "picture", "code", "tries", "node", "reason"), map(_row, lines))
        for line in lines:
            if line["excerpt"]:
                click.echo(f"\n{line['item']}:\n{indent(line['excerpt'], '    ')}")
        say(f"{len(lines)} failed. Once they are mended: farm retry {job or 'JOB'}")
    else:
        say("No picture failed.")


def _row(line: Mapping[str, Any]) -> tuple[object, ...]:
    reason = line["message"].removeprefix(f"{line['item']}: ")  # it stands in the row already
    tries, node = line["attempts"] or "-", line["node"] or "-"
    return line["job_id"], line["item"], line["code"], tries, node, reason
