"""`farm reconcile`: rebuild the queue's state from storage."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, number_of, say


@click.command()
@as_json
@click.pass_obj
def reconcile(session: Session, as_json: bool) -> None:
    """Compare plans with results and hint again what was lost; safe at any time."""
    from nasfarm.reconcile import reconcile as mend_all

    farm = session.farm()
    mended = mend_all(farm.home, farm.broker, set())
    if as_json:
        document(mended)
    else:
        chunks = number_of(mended.hints, "chunk")
        say(f"{number_of(mended.jobs, 'unfinished job')}; {chunks} hinted again.")
