"""`farm resume`: a box that was paused or drained takes work again."""

from __future__ import annotations

import click

from nasfarm.cli import held
from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json


@click.command()
@held.node
@as_json
@click.pass_obj
def resume(session: Session, node: str | None, as_json: bool) -> None:
    """Have NODE (default: this box) work again after `farm pause` or `farm drain`."""
    from nasfarm import holding

    farm = session.farm()
    name = held.chosen(farm, node)
    was_held = holding.release(name, farm.home)
    done = f"{name} goes on." if was_held else f"{name} was neither paused nor drained."
    held.tell(farm, name, done, as_json=as_json)
