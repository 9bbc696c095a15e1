"""`farm down`: stop the farm on this machine."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import say


@click.command()
@click.pass_obj
def down(session: Session) -> None:
    """Stop the farm on this machine; unfinished jobs go on at the next `farm up`."""
    from nasfarm.keep import OVERTIME_S, stop

    settings = session.farm().settings
    stopped = stop(settings.state_dir, settings.grace_s + OVERTIME_S)
    say("The farm is down." if stopped else "No farm is running on this machine.")
