"""`farm gc`: remove what the keep rules keep no longer."""

from __future__ import annotations

from datetime import datetime

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import amount, as_json, document, say, table


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@as_json
@click.pass_obj
def gc(session: Session, dry_run: bool, as_json: bool) -> None:
    """Remove jobs, dropped files and logs that are older than the keep rules in farm.yml say.

    Pictures outside inbox/.taken are never touched, and no job that has not ended.
    """
    from nasfarm import gc as cleaning

    farm = session.farm()
    said = farm.settings
    rules = cleaning.KeepRules.of(said.recipe_rules, said.keep_jobs_days, said.keep_logs_days)
    done = cleaning.gc(farm.home, rules, datetime.now().astimezone(), dry_run=dry_run)
    if as_json:
        document(done)
        return
    if done.removed:
        table(("what", "name", "size"), ((e.what, e.name, amount(e.bytes)) for e in done.removed))
    for each in done.kept:
        say(f"{each.name} stays: {each.why}")
    if not done.removed:
        say("Nothing to remove. How long things are kept is said in farm.yml: keep_days and keep.*")
    elif dry_run:
        say(f"{amount(done.bytes)} would be freed. Nothing was removed.")
    else:
        say(f"{amount(done.bytes)} freed.")
