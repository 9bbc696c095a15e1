"""`farm nodes`: the boxes that are there, their slots, and what holds them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from nasfarm.cli.held import at_work
from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, number_of, say, table
from nasfarm.core import wire
from nasfarm.core.nodes import NodeReport, Slot


@click.command()
@as_json
@click.pass_obj
def nodes(session: Session, as_json: bool) -> None:
    """Show which boxes lend their cores now, and which are held back."""
    from nasfarm import holding

    farm = session.farm()
    alive = farm.broker.presence.alive()
    running = holding.count_running(farm.broker)
    if as_json:
        document([{**wire.plain(node), "running": running.get(node.node, 0)} for node in alive])
        return
    held_away = holding.held_away(farm.home, alive)
    if alive:
        show(alive, running)
    else:
        say("No node is running. Start one with: farm up")
    for name, hold in held_away.items():
        click.echo(f"{name} is away, and {hold.text}")


def show(alive: Sequence[NodeReport], running: dict[str, int]) -> None:
    """A row for each slot, then what there is to say of whole nodes."""
    table(
        ("node", "slot", "cores", "process", "state", "roots", "away"),
        (
            (node.node, slot.number, ",".join(map(str, slot.cores)), slot.pid or "-",
             state(node, slot, running.get(node.node, 0)),
             " ".join(node.roots) or "-", " ".join(node.away) or "-")
            for node in alive
            for slot in node.slots
        ),
    )  # fmt: skip
    for node in alive:
        if node.placement:
            usual = number_of(node.usual or len(node.slots), "slot")
            click.echo(f"{node.node}: {usual} on {node.placement}")
        if node.use:
            click.echo(f"{node.node}: {node.use}.")
        if node.paused:
            click.echo(f"{node.node} takes no work: {node.paused}")
        if node.held:
            click.echo(f"{node.node}: {at_work(running.get(node.node, 0))}")


def state(node: NodeReport, slot: Slot, running: int) -> str:
    """What a slot does, as far as its node lets it."""
    if not node.paused:
        return slot.state
    if node.held_by("drain") and not node.held_by("pause"):
        return "draining" if running else "drained"
    return "paused"
