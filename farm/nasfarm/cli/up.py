"""`farm up`: the whole farm on this machine, in the terminal or beside it."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import number_of, say, seconds


@click.command()
@click.option("--detach", is_flag=True, help="Return once everything answers; the farm goes on.")
@click.option("--no-flower", is_flag=True, help="Without the Flower monitor.")
@click.option("--no-page", is_flag=True, help="Without the status page.")
@click.option("--no-watch", is_flag=True, help="Without the watcher of the drop folder.")
@click.option(
    "--timeout",
    callback=seconds,
    default=60.0,
    show_default=True,
    help="Seconds to wait with --detach.",
)
@click.pass_obj
def up(
    session: Session, detach: bool, no_flower: bool, no_page: bool, no_watch: bool, timeout: float
) -> None:
    """Start the farm on this machine: broker (unless broker.url names one), node agent, the
    watcher of the drop folder, the status page and Flower.
    """
    from nasfarm.keep import Beside
    from nasfarm.setup import monitors, start_detached
    from nasfarm.setup import up as run

    farm = session.upgraded()
    beside = Beside(watch=not no_watch, flower=not no_flower, page=not no_page)
    if not detach:
        run(farm, say, beside)
        return
    report = start_detached(farm, timeout, beside)
    say(f"The farm is up on {report.node}: {number_of(len(report.slots), 'slot')}.")
    if report.paused:
        say(f"It takes no work: {report.paused}")
    for line in monitors(farm.settings, beside):
        say(line)
    say("Hand in pictures: farm submit FOLDER --recipe detect   Stop the farm: farm down")
    if beside.watch:
        say(f"Or put them into {farm.settings.inbox_folder / 'detect'}")
