"""`farm demo`: see the farm work on sample photos."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nasfarm.cli.found import words
from nasfarm.cli.show import Follower, as_json, document, number_of, say, seconds, table

if TYPE_CHECKING:
    from nasfarm.demo import Shown

DRAWN = {"detect": "the photos with a box around each thing", "ocr": "with the words marked"}


@click.command()
@click.option(
    "--timeout",
    callback=seconds,
    default=120.0,
    show_default=True,
    help="Seconds a recipe may take.",
)
@as_json
def demo(timeout: float, as_json: bool) -> None:
    """Find people, things and words in sample photos; leaves nothing running."""
    from nasfarm.demo import run_demo

    shown = run_demo(say, Follower(quiet=as_json), timeout)
    if as_json:
        document(shown)
        return
    click.echo()
    table(
        ("picture", "what was found"),
        ((line["item"].rpartition("/")[2], words(line)) for line in shown.lines),
    )
    click.echo()
    _show_places(shown)
    say("")
    say("Nothing is left running. Now your own photos:")
    if shutil.which("farm") is None:
        activate = Path(sys.executable).parent / "activate"
        say(f"  source {_short(activate) if activate.exists() else activate}")
    say("  farm init")


def _show_places(shown: Shown) -> None:
    slots = number_of(shown.slots, "slot")
    for recipe, rate in shown.images_per_s.items():
        click.echo(f"{recipe}: {rate or 0:.3g} images/s on {slots}, each on its own cores")
    folder = Path(shown.folder)
    click.echo(f"\nSee for yourself, in {_short(folder)}")
    for recipe, path in shown.results.items():
        job = str(Path(path).parent.relative_to(folder))
        click.echo(f"  {job + '/pictures/':<42}  {DRAWN[recipe]}")
        click.echo(f"  {job + '/report.html':<42}  all of it as a page, for a browser")
        click.echo(f"  {job + '/results.jsonl':<42}  a line for each picture")


def _short(path: Path) -> str:
    """The path from here or from the user's home, where that is shorter."""
    text = str(path)
    for place, sign in ((os.getcwd() + "/", ""), (str(Path.home()) + "/", "~/")):
        if text.startswith(place):
            return sign + text.removeprefix(place)
    return text
