"""`farm down`: stop the farm on this machine."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import say
from nasfarm.errors import RejectError


@click.command()
@click.pass_obj
def down(session: Session) -> None:
    """Stop the farm on this machine; unfinished jobs go on at the next `farm up`."""
    from nasfarm.keep import OVERTIME_S, stop

    try:
        settings = session.farm().settings
    except RejectError as error:  # what cannot be read must not keep a farm from being stopped
        say(f"{error}")
        settings = session.unread()
    stopped = stop(settings.state_dir, settings.grace_s + OVERTIME_S)
    say("The farm is down." if stopped else "No farm is running on this machine.")
