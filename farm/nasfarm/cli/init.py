"""`farm init`: an empty folder to a farm's home with the models its recipes need."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, say


@click.command()
@click.option("--no-models", is_flag=True, help="Do not fetch the built-in recipes' models now.")
@as_json
@click.pass_obj
def init(session: Session, no_models: bool, as_json: bool) -> None:
    """Set up a home: the folder on shared storage that holds jobs, results and models."""
    from nasfarm.setup import make_home, pull_models

    farm = session.upgraded()
    made = make_home(farm.settings)
    if not no_models:
        pull_models(farm.settings.home, quiet=as_json)
    if as_json:
        document({"home": str(farm.settings.home), "created": made})
        return
    say(f"{'Made' if made else 'Found'} the farm's home {farm.settings.home}")
    say("Next: name the folder with your pictures, e.g.: farm roots add photos ~/Pictures")
