"""`farm pause`: a box takes no more work, and hands back what it has."""

from __future__ import annotations

from contextlib import suppress

import click

from nasfarm.cli import held
from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json
from nasfarm.errors import RetryError


@click.command()
@held.node
@as_json
@click.pass_obj
def pause(session: Session, node: str | None, as_json: bool) -> None:
    """Have NODE (default: this box) stop working within a second, until `farm resume`.

    What it runs is handed back and done by another box, or here when it goes on. It works from any
    box of the farm, and for one that is away: then it counts when that is back.
    """
    from nasfarm import holding

    farm = session.farm()
    name = held.chosen(farm, node)
    holding.hold(name, "pause", farm.home)
    with suppress(RetryError):
        holding.wait_idle(name, farm.home, farm.broker, held.SOON_S)
    held.tell(farm, name, f"{name} is paused.", as_json=as_json)
