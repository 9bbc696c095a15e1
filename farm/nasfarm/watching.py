"""This machine's settings → its watcher, and its chores beside taking files: notices, cleaning."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from nasfarm.broker.client import Broker
from nasfarm.config import Settings
from nasfarm.core.tallies import of_notices
from nasfarm.errors import BrokerError, FarmError
from nasfarm.gc import KeepRules, gc
from nasfarm.home import Home
from nasfarm.intake.noticing import tells
from nasfarm.notices.lane import Sent
from nasfarm.notify import Notifier
from nasfarm.storage.atomic import storage_errors
from nasfarm.storage.locked import sole
from nasfarm.watch import Terms, Watcher, keep_lead, watch

log = logging.getLogger(__name__)

CLEAN_S, TELL_S = 3600.0, 0.5


def nothing() -> None:
    """What most chores need to do when the lead is lost."""


@dataclass(frozen=True, slots=True)
class Chore:
    """What a leading watcher does beside taking files: so often, and at the end of its lead."""

    act: Callable[[], object]
    pause_s: float
    rest: Callable[[], None] = nothing


def run_watcher(settings: Settings, home: Home, broker: Broker, stop: threading.Event) -> None:
    """Be this node's watcher until `stop` is set. Raises RejectError where one runs already."""
    with sole(settings.state_dir / "run" / "watch.pid", "a watcher"):
        with storage_errors(settings.inbox_folder):
            settings.inbox_folder.mkdir(exist_ok=True)
        boot = uuid.uuid4().hex[:8]
        watcher = Watcher(terms(settings), home, broker, boot, clock=local_time)
        notifier = Notifier(home, count=partial(count, broker))
        told = {name: each.notices for name, each in settings.recipe_rules.items()}
        chores = (
            Chore(lambda: clean(settings, home), CLEAN_S),
            Chore(lambda: notifier.notify(told, local_time()), TELL_S, notifier.close),
        )
        watcher.seek_lead()
        threads = [threading.Thread(target=keep_lead, args=(watcher, stop), daemon=True)]
        threads += [
            threading.Thread(target=again, args=(watcher, chore, stop), daemon=True)
            for chore in chores
        ]
        for thread in threads:
            thread.start()
        watch(watcher, stop)
        for thread in threads:
            thread.join(2.0)
        with suppress(BrokerError):  # gone already: it forgets by itself
            broker.leases.resign(boot, "watcher")


def terms(settings: Settings) -> Terms:
    """How files are taken here."""
    events = {"events": True, "poll": False}.get(settings.watch_mode, tells(settings.inbox_folder))
    leave = settings.watch_mode == "leave"
    return Terms(
        settings.inbox_folder, events, leave, settings.watch_settle_s, settings.watch_poll_s,
        settings.watch_most_waiting, settings.watch_free_mb * 1_000_000, settings.recipe_rules,
    )  # fmt: skip


def local_time() -> datetime:
    """The time here, with its zone: days begin at this machine's midnight."""
    return datetime.now().astimezone()


def again(watcher: Watcher, chore: Chore, stop: threading.Event) -> None:
    """Do a chore again and again, as long as this watcher is the one that leads."""
    doing = False
    while not stop.is_set():
        try:
            if watcher.leading:
                doing = True
                chore.act()
            elif doing:
                doing = False
                chore.rest()
        except FarmError as error:
            fields = {"action": "chore_failed", "reason": str(error)}
            log.warning("cannot do it now, trying again", extra=fields)
        except Exception:  # a defect; the other chores, and the taking of files, go on
            log.exception("chore broke off", extra={"action": "chore_broke"})
        stop.wait(chore.pause_s if watcher.leading else 1.0)
    if doing:
        chore.rest()


def count(broker: Broker, kind: str, sent: Sent) -> None:
    """Add to the farm's tally what a run of a lane did."""
    broker.tallies.add(of_notices(kind, sent.sent, sent.refused, sent.failed))


def clean(settings: Settings, home: Home) -> None:
    """Remove what the keep rules keep no longer."""
    rules = KeepRules.of(settings.recipe_rules, settings.keep_jobs_days, settings.keep_logs_days)
    done = gc(home, rules, local_time())
    for gone in done.removed:
        log.info("removed", extra={"action": "removed", "path": gone.name, "bytes": gone.bytes})
    for kept in done.kept:
        fields = {"action": "not_removed", "path": kept.name, "reason": kept.why}
        log.warning("not removed", extra=fields)
