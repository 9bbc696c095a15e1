"""The drop folder → what keeps files in it from being taken, and what mends that."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from nasfarm.broker.client import Broker
from nasfarm.config import Settings
from nasfarm.core.checks import Check, broken, ok, warning
from nasfarm.core.items import HOME_ROOT
from nasfarm.errors import BrokerError, RejectError
from nasfarm.home import Home
from nasfarm.intake.dropped import loose_files, recipe_folders, waiting
from nasfarm.jobs.dropped import Day
from nasfarm.recipe_specs import specs

WHAT = "drop folder"


def look_at_drops(settings: Settings, home: Home, broker: Callable[[], Broker]) -> Iterator[Check]:
    """Whether files are taken, and which lie where no recipe looks. Nothing where there is none."""
    inbox = settings.inbox_folder
    if not inbox.is_dir():
        return
    known = specs.names(home.recipes)
    yield from look_at_folders(inbox, known)
    yield from look_at_today(home, known)
    free_mb = shutil.disk_usage(inbox).free / 1e6
    if free_mb < settings.watch_free_mb:
        found = (
            f"nothing is taken: {free_mb:.0f} MB free, watch.free_mb is {settings.watch_free_mb}"
        )
        yield warning(WHAT, inbox, found, "Make room on this disk; taking goes on by itself.")
        return
    try:
        watched = broker().leases.is_led("watcher")
    except BrokerError:  # told of as the broker
        return
    waits = any(next(waiting(inbox / name), None) for name in known)
    if watched:
        yield ok(WHAT, inbox, "what is dropped is taken")
    elif waits:
        mend = "Start the farm without --no-watch: farm up --detach"
        yield warning(WHAT, inbox, "nobody takes the files that wait there", mend)


def look_at_folders(inbox: Path, known: Sequence[str]) -> Iterator[Check]:
    """What lies where no recipe looks."""
    for name in sorted(set(recipe_folders(inbox)) - set(known)):
        mend = f"Name it after a recipe: {', '.join(known)}; or move what is in it to one that is."
        yield warning(WHAT, inbox / name, "is left alone: no recipe has this name", mend)
    for name in known:
        if (inbox / name).is_symlink():
            mend = "Put a folder in its place; what the link leads to: farm submit FOLDER"
            yield warning(WHAT, inbox / name, "is left alone: it is a link", mend)
    loose = loose_files(inbox)
    if loose:
        lie = "1 file lies" if loose == 1 else f"{loose} files lie"
        mend = f"Put them into a recipe's folder, e.g. {inbox / known[0]}"
        yield warning(WHAT, inbox, f"{lie} beside the recipes' folders", mend)


def look_at_today(home: Home, recipes: Iterable[str]) -> Iterator[Check]:
    """Whether today's jobs can be read."""
    today = datetime.now().astimezone().date().isoformat()
    for recipe in recipes:
        job_id = Day(home.roots[HOME_ROOT], recipe, today).job_id
        try:
            if home.jobs.exists(job_id):
                home.jobs.load(job_id)
        except RejectError as error:
            mend = f"Move {home.jobs.path(job_id)} elsewhere; what was taken is handed in anew."
            yield broken(WHAT, home.jobs.path(job_id), f"nothing is taken: {error}", mend)
