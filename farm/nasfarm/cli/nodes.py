"""`farm nodes`: the boxes that are there, and their slots."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, number_of, say, table


@click.command()
@as_json
@click.pass_obj
def nodes(session: Session, as_json: bool) -> None:
    """Show which boxes lend their cores now."""
    alive = session.farm().broker.presence.alive()
    if as_json:
        document(alive)
        return
    if not alive:
        say("No node is running. Start one with: farm up")
        return
    table(
        ("node", "slot", "cores", "process", "state", "roots", "away"),
        (
            (node.node, slot.number, ",".join(map(str, slot.cores)), slot.pid or "-",
             "paused" if node.paused else slot.state,
             " ".join(node.roots) or "-", " ".join(node.away) or "-")
            for node in alive
            for slot in node.slots
        ),
    )  # fmt: skip
    for node in alive:
        if node.placement:
            click.echo(f"{node.node}: {number_of(len(node.slots), 'slot')} on {node.placement}")
        if node.paused:
            click.echo(f"{node.node} takes no work: {node.paused} It goes on by itself then.")
