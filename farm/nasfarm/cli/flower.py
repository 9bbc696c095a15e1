"""`farm flower`: Celery's monitor, with this farm's settings."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import say


@click.command()
@click.pass_obj
def flower(session: Session) -> None:
    """Show workers and tasks in a browser by Flower, read-only; `farm up` starts it.

    It listens where flower.listen says, by default on http://127.0.0.1:5555/. Other machines are
    let in only with the name and password that flower.password_file holds.
    """
    from nasfarm import config, log
    from nasfarm.broker.monitor import Login, run_flower
    from nasfarm.keep import monitor_file

    farm = session.farm()
    settings = farm.settings
    log.setup(settings.log_level, settings.logs_folder / "flower.jsonl")
    file = settings.flower_password_file
    login = Login.of(config.read_secret(file), str(file)) if file else None
    folder, held = settings.state_dir / "flower", monitor_file(settings.state_dir, "flower")
    run_flower(farm.broker.url, settings.flower_listen, login, folder, held, say)
