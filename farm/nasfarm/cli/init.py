"""`farm init`: an empty folder to a farm's home with the models its recipes need."""

from __future__ import annotations

from pathlib import Path

import click

from nasfarm.cli.root import Session
from nasfarm.cli.roots import name_root
from nasfarm.cli.show import as_json, document, say


def _pairs(
    _ctx: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> list[tuple[str, Path]]:
    pairs = [text.partition("=") for text in texts]
    for name, _, folder in pairs:
        if not folder:
            wanted = "wanted NAME=FOLDER, e.g. photos=/volume1/photo."
            raise click.BadParameter(f"got {name}, {wanted}")
    return [(name, Path(folder)) for name, _, folder in pairs]


@click.command()
@click.option("--root", "roots", multiple=True, metavar="NAME=FOLDER", callback=_pairs,
              help="Name a folder with pictures, as `farm roots add`; once or more.")  # fmt: skip
@click.option("--no-models", is_flag=True, help="Do not fetch the built-in recipes' models now.")
@as_json
@click.pass_obj
def init(session: Session, roots: list[tuple[str, Path]], no_models: bool, as_json: bool) -> None:
    """Set up a home: the folder on shared storage that holds jobs, results and models.

    Run again it changes nothing that is there, and says what it found.
    """
    from nasfarm.setup import make_home, pull_models

    farm = session.upgraded()
    made = make_home(farm.settings)
    named = [name_root(session, name, folder) for name, folder in roots]
    if not no_models:
        pull_models(farm.settings.home, quiet=as_json)
    if as_json:
        folders = {root.name: str(root.path) for root in named}
        document({"home": str(farm.settings.home), "created": made, "roots": folders})
        return
    say(f"{'Made' if made else 'Found'} the farm's home {farm.settings.home}")
    for root in named:
        say(f"{root.name} is {root.path}")
    if not named:
        say("Next: name the folder with your pictures, e.g.: farm roots add photos ~/Pictures")
