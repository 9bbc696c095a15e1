"""A node and what was said of it by hand, in words for the one who said it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nasfarm.cli.show import document, number_of, say

if TYPE_CHECKING:
    from nasfarm.api import Farm
    from nasfarm.holding import Standing

SOON_S = 3.0
"""So long a command waits for its node to have heard of it; what is told then is as it stays."""

node = click.argument("node", required=False)


def chosen(farm: Farm, name: str | None) -> str:
    """The node that is meant: this one, unless named. Raises UnknownNameError."""
    from nasfarm import holding

    own = farm.settings.node
    return holding.known(name or own, own, farm.home, lambda: farm.broker)


def tell(farm: Farm, name: str, done: str, *, as_json: bool) -> None:
    """Say what was done, and how the node stands now."""
    from nasfarm import holding

    now = holding.standing(name, farm.home, lambda: farm.broker)
    if as_json:
        document(now)
        return
    say(done)
    for line in rest(now):
        say(line)


def rest(now: Standing) -> list[str]:
    """What else there is to know of a node."""
    lines = [f"{now.node} takes no work: {hold.text}" for hold in now.held]
    if now.alive is None:
        return [*lines, "The broker does not answer; the node reads this from the farm's folder."]
    if not now.alive:
        return [*lines, f"{now.node} is away now: this counts when it is back."]
    if now.held:
        lines.append(at_work(now.running or 0))
    return lines


def at_work(running: int) -> str:
    """What a held node has left to do."""
    if not running:
        return "Nothing runs there any more."
    return f"{number_of(running, 'chunk')} still {'runs' if running == 1 else 'run'} there."
