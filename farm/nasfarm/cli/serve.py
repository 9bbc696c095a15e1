"""`farm serve`: this node's status page, health and metrics."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import say


@click.command()
@click.pass_obj
def serve(session: Session) -> None:
    """Show the farm in a browser: the status page, /health/live, /health/ready and /metrics.

    Where it listens is the setting web.listen. Beyond this machine it asks for a login: farm users.
    """
    from nasfarm import log
    from nasfarm.web.server import run

    settings = session.farm().settings
    log.setup(settings.log_level, settings.logs_folder / "serve.jsonl")
    run(session.farm, say)
