"""`farm demo`: see the farm work on sample photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import click

from nasfarm.cli.show import Follower, as_json, document, say, table


@click.command()
@click.option("--timeout", default=120.0, show_default=True, help="Seconds a recipe may take.")
@as_json
def demo(timeout: float, as_json: bool) -> None:
    """Find people, things and words in sample photos; leaves nothing running."""
    from nasfarm.demo import run_demo

    shown = run_demo(say, Follower(quiet=as_json), timeout)
    if as_json:
        document(shown)
        return
    table(("picture", "what was found"), ((_name(line), _found(line)) for line in shown.lines))
    click.echo()
    for recipe, rate in shown.images_per_s.items():
        click.echo(f"{recipe}: {rate or 0:g} images/s on {shown.slots} slots")
        click.echo(f"  results   {shown.results[recipe]}")
    click.echo(f"  pictures  {shown.pictures[0].rpartition('/')[0] if shown.pictures else '-'}")
    say("Nothing is left running. Now your own photos: farm init")


def _name(line: Mapping[str, Any]) -> str:
    return str(line["item"].rpartition("/")[2])


def _found(line: Mapping[str, Any]) -> str:
    if "error" in line:
        return f"{line['error']['code']}: {line['error']['message']}"
    if line.get("texts"):
        words = " / ".join(text["text"] for text in line["texts"][:3])
        return f"{len(line['texts'])} lines of text: {words} …"
    best: dict[str, float] = {}
    for thing in line.get("detections", ()):
        best.setdefault(thing["label"], thing["score"])
    counts = Counter(thing["label"] for thing in line.get("detections", ()))
    things = (f"{n} × {label} ({best[label]:.2f})" for label, n in counts.items())
    return ", ".join(things) or "nothing"
