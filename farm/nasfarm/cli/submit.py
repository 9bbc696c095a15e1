"""`farm submit`: pictures to a job."""

from __future__ import annotations

import os
import time

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, timeout
from nasfarm.core.jobs import Priority
from nasfarm.core.requests import Request

MOST_SAMPLE = 1000
"""As many pictures as a recipe draws at most."""


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--recipe", required=True, help="What to look for; see: farm recipes list.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change a recipe's value.")
@click.option(
    "--priority",
    type=click.Choice([each.value for each in Priority]),
    default="normal",
    help="Which goes first.",
)
@click.option("--wait", is_flag=True, help="Wait until every picture has its line.")
@timeout
@click.option("--again", is_flag=True, help="Run anew what was done before.")
@click.option("--new", is_flag=True, help="Leave out pictures this recipe has done before.")
@click.option(
    "--every",
    type=click.FloatRange(min=0),
    metavar="S",
    help="Of videos, one frame each S seconds (0: every frame); of those in folders, too.",
)
@click.option(
    "--sample",
    type=click.IntRange(1, MOST_SAMPLE),
    metavar="N",
    help="Do only N of them, spread over all, draw what is found, and say how long all would take.",
)
@click.option(
    "--finish-by",
    "by",
    metavar="HH:MM",
    help="When it is to be done: uses no more cores than that takes, spare ones where it must.",
)
@click.option("--dry-run", is_flag=True, help="Count what would be done, and do nothing.")
@as_json
@click.pass_obj
def submit(
    session: Session, paths: tuple[str, ...], recipe: str, sets: tuple[str, ...], priority: str,
    wait: bool, timeout: float | None, again: bool, new: bool, every: float | None,
    sample: int | None, by: str | None, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Hand in files, folders or patterns in quotes; links are followed, hidden files left out.

    Of a video that is named every frame is a picture; see --every.
    """
    from nasfarm import log
    from nasfarm.cli.answers import tell
    from nasfarm.core.times import next_time

    log.setup("warning", None)  # names the folders that cannot be read
    # A shell leaves the ~ of a pattern in quotes as it is.
    named = tuple(os.path.expanduser(path) if path.startswith("~/") else path for path in paths)
    request = Request(
        named, recipe, sets, Priority(priority), again=again, new=new, dry_run=dry_run,
        every_s=every, sample=sample or 0, finish_by=next_time(by, time.time()) if by else None,
    )  # fmt: skip
    tell(session.farm(), request, wait=wait or bool(sample), timeout_s=timeout, as_json=as_json)
