"""`farm watch`: take what is dropped into the inbox, and hand it in."""

from __future__ import annotations

import signal
import threading

import click

from nasfarm.cli.root import Session


@click.command()
@click.pass_obj
def watch(session: Session) -> None:
    """Take pictures and videos that are dropped into the farm's inbox, and hand them in.

    `farm up` starts it. Drop files into inbox/RECIPE/ in the farm's folder, e.g. inbox/detect/.
    """
    from nasfarm import log
    from nasfarm.watching import run_watcher

    farm = session.upgraded()
    settings = farm.settings
    log.setup(settings.log_level, settings.logs_folder / "watch.jsonl")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_watcher(settings, farm.home, farm.broker, stop)
