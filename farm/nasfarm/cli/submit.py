"""`farm submit`: pictures to a job."""

from __future__ import annotations

import os
import sys

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, say, timeout
from nasfarm.core import wire
from nasfarm.core.jobs import Priority, State
from nasfarm.core.requests import Request


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
@click.option("--dry-run", is_flag=True, help="Count what would be done, and do nothing.")
@as_json
@click.pass_obj
def submit(
    session: Session, paths: tuple[str, ...], recipe: str, sets: tuple[str, ...], priority: str,
    wait: bool, timeout: float | None, again: bool, new: bool, every: float | None, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Hand in files, folders or patterns in quotes; links are followed, hidden files left out.

    Of a video that is named every frame is a picture; see --every.
    """
    from nasfarm import follow, log
    from nasfarm.cli.waiting import exit_status, handed_in, wait_for

    log.setup("warning", None)  # names the folders that cannot be read
    farm = session.farm()
    # A shell leaves the ~ of a pattern in quotes as it is.
    named = tuple(os.path.expanduser(path) if path.startswith("~/") else path for path in paths)
    request = Request(
        named, recipe, sets, Priority(priority), again=again, new=new, dry_run=dry_run,
        every_s=every,
    )  # fmt: skip
    done = farm.request(request)
    answer = wire.plain(done)
    hinted = answer.pop("hinted")
    if not as_json:
        say(handed_in(done, dry_run=dry_run))
        if not hinted:
            say("The broker went away: queued on storage, it runs when the farm is up again.")
        elif done.job_id and not wait:
            now = follow.progress(farm.job(done.job_id), farm.home, farm.broker)
            say(now.note or f"Follow it: farm wait {done.job_id}")
    status = 0
    if wait and done.job_id:
        end = wait_for(farm, done.job_id, timeout, quiet=as_json)
        status = exit_status(end)
        keep = ("state", "ok", "errors", "images_per_s")
        answer |= {name: value for name, value in wire.plain(end).items() if name in keep}
    elif wait and not dry_run:  # nothing new to do
        answer |= {"state": State.DONE.value, "ok": 0, "errors": 0, "images_per_s": None}
    if as_json:
        document(answer)
    elif done.job_id and not sys.stdout.isatty():  # for `job=$(farm submit …)`
        click.echo(done.job_id)
    sys.exit(status)
