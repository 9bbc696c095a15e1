"""`farm drain`: a box finishes what it runs and takes no more work."""

from __future__ import annotations

import click

from nasfarm.cli import held
from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, timeout
from nasfarm.errors import RetryError


@click.command()
@held.node
@click.option("--wait", is_flag=True, help="Return when nothing runs there any more.")
@timeout
@as_json
@click.pass_obj
def drain(
    session: Session, node: str | None, wait: bool, timeout: float | None, as_json: bool
) -> None:
    """Have NODE (default: this box) finish what it runs and take no more, until `farm resume`.

    For a box that is to be updated or switched off. It works from any box of the farm, and for one
    that is away: then it counts when that is back.
    """
    from nasfarm import holding

    farm = session.farm()
    name = held.chosen(farm, node)
    holding.hold(name, "drain", farm.home)
    try:
        most_s = timeout if wait else held.SOON_S
        holding.wait_idle(name, farm.home, farm.broker, most_s)
    except RetryError:
        if wait:
            raise
    held.tell(farm, name, f"{name} takes no more work.", as_json=as_json)
