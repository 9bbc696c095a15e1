"""THE INTAKE FLOW: drop folder → files that hold still → take → the day's job → hints. Only calls.

What was taken is the ledger: a taken file that no manifest names is put into one at the next look.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path

from nasfarm.broker.client import Broker
from nasfarm.core.items import HOME_ROOT
from nasfarm.core.rules import RecipeRules
from nasfarm.days import NO_BROKER, Days
from nasfarm.errors import BrokerError, FarmError
from nasfarm.home import Home
from nasfarm.intake.dropped import is_filled, is_meant, mark_of, recipe_folders, waiting
from nasfarm.intake.noticing import Noticed, noticing
from nasfarm.intake.seen import Seen
from nasfarm.intake.settle import Settling
from nasfarm.intake.take import is_foreign, is_still
from nasfarm.jobs.dropped import Day
from nasfarm.left import look_in_place, remembering
from nasfarm.nodes.roots import known_roots, present
from nasfarm.recipe_specs import specs
from nasfarm.storage.atomic import storage_errors
from nasfarm.taken import MOST_AT_ONCE, take_in

log = logging.getLogger(__name__)

LEAD_S, CONFIRM_S, NAP_S = 15.0, 3.0, 1.0
"""One watcher of a farm takes files. Where it dies, another does after the first of these; it asks
whether it still is the one after the second, and hears so, or that it is to stop, after the third.
"""

UNSURE_S = 30.0  # so long a file must rest of which nobody can tell whether it is written to
TURN_S = 10.0  # so often the watcher looks whether a day is over


@dataclass(frozen=True, slots=True)
class Terms:
    """How files are taken. inbox: the drop folder. events: whether the kernel tells of new files.
    leave: files stay where they are.

    most_waiting: pictures in a day's job without a line. free_bytes: so much room must be left on
    the home's disk. rules: by recipe. The others: see config.Settings.
    """

    inbox: Path
    events: bool
    leave: bool
    settle_s: float
    poll_s: float
    most_waiting: int
    free_bytes: int
    rules: Mapping[str, RecipeRules] = field(default_factory=dict)


@dataclass(slots=True)
class Watcher:
    """One watcher's life. boot: tells it from all others. clock: the local time, with its zone.

    said: why something is not done, as it was logged. failures: why nothing is, since it last was.
    """

    terms: Terms
    home: Home
    broker: Broker
    boot: str
    clock: Callable[[], datetime]
    leading: bool = False
    settling: dict[str, Settling] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)
    failures: set[str] = field(default_factory=set)
    next_look_s: float = 0.0
    next_turn_s: float = 0.0
    seen: Seen | None = None
    days: Days = field(init=False)

    def __post_init__(self) -> None:
        terms = self.terms
        self.days = Days(
            self.home, self.broker, terms.inbox, terms.rules, terms.settle_s, self.say_once
        )

    def seek_lead(self) -> None:
        """Be the one watcher that takes files, or see that another is. Without a broker it stays as
        it was: nobody else can become it meanwhile.
        """
        try:
            self.leading = self.broker.leases.lead(self.boot, LEAD_S, "watcher")
        except BrokerError as error:
            self.say_once(f"{NO_BROKER}: {error}")
        else:
            self.said = {reason for reason in self.said if not reason.startswith(NO_BROKER)}

    def is_at_home(self) -> bool:
        """Whether the home's disk or share is there, not an empty folder in its place."""
        home = {HOME_ROOT: self.home.roots[HOME_ROOT]}
        there = all(present(root) for root in known_roots(self.home.state_dir, home))
        if not there:
            self.say_once("the farm's home is away; bring its disk or share back")
        return there

    def say_once(self, reason: str) -> None:
        """Log why something is not done, at the first time."""
        if reason not in self.said:
            self.said.add(reason)
            log.warning("not taken", extra={"action": "not_taken", "reason": reason})


def keep_lead(watcher: Watcher, stop: threading.Event) -> None:
    """Seek the lead again and again, beside the taking of files, which may be long at one thing."""
    while not stop.is_set():
        watcher.seek_lead()
        stop.wait(CONFIRM_S)


def watch(watcher: Watcher, stop: threading.Event) -> None:
    """Take files until `stop` is set; what cannot be done now is tried again."""
    while not stop.is_set():
        try:
            with storage_errors(watcher.terms.inbox):
                if watcher.leading and watcher.is_at_home():
                    if not watcher.failures:
                        log.info("taking files", extra={"action": "watch_lead"})
                    lead(watcher, stop)
        except FarmError as error:
            watcher.days.behind |= watcher.days.open
            if str(error) not in watcher.failures:  # a full disk may stay so for days
                watcher.failures.add(str(error))
                fields = {"action": "watch_failed", "reason": str(error)}
                log.warning("cannot take files, trying again", extra=fields)
        stop.wait(NAP_S)


def lead(watcher: Watcher, stop: threading.Event) -> None:
    """Take files as long as this watcher is the one."""
    watcher.days.look()
    with remembering(watcher.days) if watcher.terms.leave else nullcontext() as watcher.seen:
        go_on(watcher, stop)


def go_on(watcher: Watcher, stop: threading.Event) -> None:
    """Take files for all recipes there are."""
    for name in set(watcher.terms.rules) - set(specs.names(watcher.home.recipes)):
        watcher.say_once(
            f"farm.yml, recipes.{name}: there is no recipe of that name. See: farm recipes list"
        )
    while not stop.is_set() and watcher.leading and watcher.is_at_home():
        watcher.terms.inbox.mkdir(exist_ok=True)  # somebody may have thrown it away
        listen(watcher, recipes(watcher), stop)


def listen(watcher: Watcher, names: list[str], stop: threading.Event) -> None:
    """Take what is dropped for these recipes, until there are others."""
    inbox = watcher.terms.inbox
    folders = [inbox / name for name in names]
    listening = noticing(folders) if watcher.terms.events else nullcontext(Noticed())
    with listening as noticed:
        closed: set[str] = set()
        while watcher.leading and watcher.is_at_home() and recipes(watcher) == names:
            more = look(watcher, closed)
            watcher.failures.clear()
            closed = set() if more else noticed.wait(min(NAP_S, watcher.terms.poll_s))
            if stop.is_set():
                return


def look(watcher: Watcher, closed: set[str]) -> bool:
    """One look at everything; True where there may be more to take at once."""
    steps = [partial(watcher.days.catch_up, day) for day in sorted(watcher.days.behind)]
    steps += [partial(watcher.days.close, day) for day in days_over(watcher)]
    each(steps)
    if not has_room(watcher):
        return False
    files = ready(watcher, closed)
    more = any(each([partial(serve, watcher, recipe, paths) for recipe, paths in files.items()]))
    if more:
        watcher.next_look_s = 0.0
    return more


def each(steps: Iterable[Callable[[], bool]]) -> list[bool]:
    """Do every step, also where one fails: a day or a recipe in trouble keeps no other waiting."""
    done: list[bool] = []
    failed: FarmError | None = None
    for step in steps:
        try:
            done.append(step())
        except FarmError as error:
            failed = error
    if failed is not None:
        raise failed
    return done


def serve(watcher: Watcher, recipe: str, paths: Sequence[str]) -> bool:
    """Hand in one recipe's files; True where there are more than are handed in at once."""
    day = watcher.days.day(recipe, watcher.clock().date().isoformat())
    job = watcher.days.job(day)
    if job is None:
        return False
    crowded = f"{job.job_id}: more than watch.most_waiting ({watcher.terms.most_waiting}) wait"
    if watcher.days.waiting(job) > watcher.terms.most_waiting:
        watcher.say_once(crowded)
        return False
    watcher.said.discard(crowded)
    if watcher.seen is not None:
        return look_in_place(watcher.days, watcher.seen, day, job, paths)
    before = partial(is_as_before, watcher, recipe)
    return take_in(watcher.days, day, job, paths, watcher.clock(), before) == MOST_AT_ONCE


def has_room(watcher: Watcher) -> bool:
    """Whether the home's disk has room for what comes of more files."""
    state = os.statvfs(watcher.terms.inbox)
    free = state.f_bavail * state.f_frsize
    reason = f"less than {watcher.terms.free_bytes / 1e6:.0f} MB are left on the home's disk"
    if free < watcher.terms.free_bytes:
        watcher.say_once(reason)
        return False
    watcher.said.discard(reason)
    return True


def ready(watcher: Watcher, closed: set[str]) -> Mapping[str, list[str]]:
    """Recipe → paths below its folder of the files to take now, each once."""
    ready_now = written(watcher, closed)
    if time.monotonic() < watcher.next_look_s:
        return ready_now
    begun = time.monotonic()
    for recipe in recipes(watcher):
        both = dict.fromkeys([*ready_now.get(recipe, []), *settled(watcher, recipe)])
        if both:
            ready_now[recipe] = list(both)
    # Where so many files lie that a look takes long, looking must not be all that the box does.
    took_s = time.monotonic() - begun
    watcher.next_look_s = time.monotonic() + max(watcher.terms.poll_s, 10 * took_s)
    return ready_now


def written(watcher: Watcher, closed: set[str]) -> dict[str, list[str]]:
    """As `ready`, of files that were closed after writing."""
    inbox, known = watcher.terms.inbox, set(recipes(watcher) if closed else ())
    found_now: dict[str, list[str]] = {}
    for path in sorted(closed):
        recipe, _, below = os.path.relpath(path, inbox).partition("/")
        if recipe not in known or not is_meant(below):
            continue
        if is_filled(Path(path)):
            found_now.setdefault(recipe, []).append(below)
    return found_now


def settled(watcher: Watcher, recipe: str) -> list[str]:
    """As `ready`, of one recipe's files that held still."""
    folder = watcher.terms.inbox / recipe
    settling = watcher.settling.setdefault(recipe, Settling(watcher.terms.settle_s))
    still = settling.looked(waiting(folder), time.monotonic())
    if not watcher.terms.events:
        return still
    paths = ((below, folder / below) for below in still)
    return [below for below, path in paths if not is_foreign(path) or is_still(path, UNSURE_S)]


def recipes(watcher: Watcher) -> list[str]:
    """Recipes that have a drop folder; the others get one: people see where to put their files."""
    known = set(specs.names(watcher.home.recipes))
    there = recipe_folders(watcher.terms.inbox)
    for name in known - set(there):
        with suppress(FileExistsError):  # a file
            (watcher.terms.inbox / name).mkdir()
    for name in set(there) - known:
        watcher.say_once(f"inbox/{name}: there is no recipe of that name. See: farm recipes list")
    return [name for name in there if name in known]


def is_as_before(watcher: Watcher, recipe: str, below: str, path: Path) -> bool:
    """Whether a taken file looks as at the last look: on a share that tells that nobody went on
    writing to it.
    """
    return watcher.terms.events or watcher.settling[recipe].is_as_before(below, mark_of(path))


def days_over(watcher: Watcher) -> list[Day]:
    """Days whose jobs are to be closed; asked now and then."""
    if time.monotonic() < watcher.next_turn_s:
        return []
    watcher.next_turn_s = time.monotonic() + TURN_S
    today = watcher.clock().date()
    return [day for day in sorted(watcher.days.open) if date.fromisoformat(day.day) < today]
