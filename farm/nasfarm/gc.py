"""THE CLEANING FLOW: keep rules and the time → what is older goes, whole or not at all. Only calls.

It removes jobs that have ended, dropped files below inbox/.taken, what lies in quarantine/, rotated
logs, and what broken-off commands have left. It enters no other folder and follows no link.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from nasfarm.core.items import HOME_ROOT
from nasfarm.core.jobs import Job
from nasfarm.core.rules import RecipeRules
from nasfarm.errors import RejectError
from nasfarm.home import Home
from nasfarm.jobs.index import open_index
from nasfarm.jobs.reopened import unmark
from nasfarm.reconcile import has_ended, is_reduced
from nasfarm.storage.removal import LEFTOVER, files_in, is_folder, opened, remove, status

STALE_S = 86_400.0
"""Drafts and probes live for seconds; so old, whoever made them is gone."""

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
WATCHED = re.compile(rf"watch-.+-{DAY.pattern}")
ROTATED = re.compile(r".+\.log\.\d+")
ENDS = ("summary.json", "cancelled", "failed")
"""Of a job that has ended, one of these was written last."""


@dataclass(frozen=True, slots=True)
class KeepRules:
    """So many days things are kept after the day or the moment they ended; None: for ever.

    recipes: recipe → days for what `farm watch` took: jobs, dropped files, quarantine; a recipe
    that is not named keeps all. jobs_days: jobs that were handed in. logs_days: rotated logs.
    """

    recipes: Mapping[str, float] = field(default_factory=dict)
    jobs_days: float | None = None
    logs_days: float | None = None

    @classmethod
    def of(
        cls,
        recipes: Mapping[str, RecipeRules],
        jobs_days: float | None,
        logs_days: float | None,
    ) -> KeepRules:
        """From what the settings say."""
        days = {name: each.keep_days for name, each in recipes.items() if each.keep_days}
        return cls(days, jobs_days, logs_days)


@dataclass(frozen=True, slots=True)
class Removed:
    """What went: `job`, a day's `taken` files, `quarantine`, `log`, `draft` or `leftover`."""

    what: str
    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What is old enough to go and stays all the same."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was removed, or would be in a dry run. bytes: what that makes free."""

    dry_run: bool
    bytes: int
    removed: tuple[Removed, ...]
    kept: tuple[Kept, ...]


@dataclass(slots=True)
class Broom:
    """Removes, or in a dry run only says what it would; what resists keeps nothing else from it."""

    home: Path
    dry_run: bool
    removed: list[Removed] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    counted: set[tuple[int, int]] = field(default_factory=set)

    def sweep(self, what: str, folder: Path, *names: str) -> bool:
        """Remove the last of `names`, each of which lies in the one before; whether it is gone."""
        shown = "/".join(names if folder == self.home else (folder.name, *names))
        try:
            with opened(folder, *names[:-1]) as handle:
                size = self.bytes_in(handle, names[-1])
                if self.dry_run or remove(handle, names[-1]):
                    self.removed.append(Removed(what, shown, size))
        except FileNotFoundError:
            pass
        except OSError as error:
            self.keep(shown, error.strerror or str(error))
            return False
        return True

    def bytes_in(self, handle: int, name: str) -> int:
        """Bytes of the files; one with several names, as in quarantine/, counts once."""
        total = 0
        for file in files_in(handle, name):
            key = (file.st_dev, file.st_ino)
            if key in self.counted:
                continue
            total += file.st_size
            if file.st_nlink > 1:  # of a million files few have a second name
                self.counted.add(key)
        return total

    def keep(self, name: str, why: str) -> None:
        self.kept.append(Kept(name, why))


def gc(home: Home, rules: KeepRules, now: datetime, *, dry_run: bool = False) -> Cleaned:
    """Remove what the rules keep no longer. now: with a time zone; its days are the watcher's.

    Safe at any time, on several nodes at once too. Raises StorageError where the home is away.
    """
    broom = Broom(home.roots[HOME_ROOT], dry_run)
    sweep_leftovers(home, now, broom)
    for recipe, days in sorted(rules.recipes.items()):
        sweep_watched(home, recipe, (now - timedelta(days=days)).date(), broom)
    if rules.jobs_days is not None:
        sweep_jobs(home, now - timedelta(days=rules.jobs_days), broom)
    if rules.logs_days is not None:
        logs = home.state_dir / "logs"
        sweep_old("log", logs, ROTATED, now.timestamp() - rules.logs_days * 86_400, broom)
    if not dry_run:
        forget(home, [each.name for each in broom.removed if each.what == "job"])
    size = sum(each.bytes for each in broom.removed)
    return Cleaned(dry_run, size, tuple(broom.removed), tuple(broom.kept))


def sweep_leftovers(home: Home, now: datetime, broom: Broom) -> None:
    """Remove what a cleaning that broke off, a killed submit or a dead node has left."""
    base = home.roots[HOME_ROOT]
    for folder, above in ((base / "inbox", ".taken"), (base, "quarantine")):
        for recipe in names_in(folder, above):
            for name in names_in(folder, above, recipe):
                if name.startswith(LEFTOVER):
                    broom.sweep("leftover", folder, above, recipe, name)
    for name in names_in(home.jobs.folder):
        if name.startswith(LEFTOVER):
            broom.sweep("leftover", home.jobs.folder, name)
    stale_s = now.timestamp() - STALE_S
    sweep_old("draft", home.jobs.folder, re.compile(r"\.(new-|probe).*"), stale_s, broom)
    sweep_old("draft", home.scratch, re.compile(r"spool-.*"), stale_s, broom)


def sweep_watched(home: Home, recipe: str, until: date, broom: Broom) -> None:
    """Remove what was taken for a recipe on the days before `until`; the job of each day last.

    As long as the job is there, the next cleaning finds what this one may have to leave.
    """
    base = home.roots[HOME_ROOT]
    prefix = f"watch-{recipe}-"
    taken = days(names_in(base / "inbox", ".taken", recipe), until)
    quarantined = days(names_in(base, "quarantine", recipe), until)
    ids = home.jobs.ids()
    jobs = days((name.removeprefix(prefix) for name in ids if name.startswith(prefix)), until)
    for day in sorted(taken | quarantined | jobs):
        job_id = prefix + day
        if day in jobs and not is_over(job_id, home, is_reduced):
            failed = home.jobs.failure(job_id) is not None
            retry = f"it could not be finished: farm retry {job_id}"
            broom.keep(f"jobs/{job_id}", retry if failed else "it has not ended")
            continue
        if day in taken and day not in jobs:
            broom.keep(f"inbox/.taken/{recipe}/{day}", "no job has looked at it: farm watch")
            continue
        gone = broom.sweep("taken", base / "inbox", ".taken", recipe, day)
        gone = broom.sweep("quarantine", base, "quarantine", recipe, day) and gone
        if gone and day in jobs:
            broom.sweep("job", home.jobs.folder, job_id)


def sweep_jobs(home: Home, before: datetime, broom: Broom) -> None:
    """Remove jobs that were handed in and have ended before this moment."""
    with open_index(home.state_dir, home.jobs.folder) as index:
        young = index.handed_in_since(before.astimezone(UTC).isoformat(timespec="seconds"))
    for job_id in sorted(set(home.jobs.ids()) - young):
        if WATCHED.fullmatch(job_id):
            continue
        if ended_s(home.jobs.path(job_id)) < before.timestamp() and is_over(job_id, home):
            broom.sweep("job", home.jobs.folder, job_id)


def sweep_old(
    what: str, folder: Path, names: re.Pattern[str], before_s: float, broom: Broom
) -> None:
    """Remove files and folders of such names that have not changed since `before_s`."""
    for name in names_in(folder):
        if not names.fullmatch(name):
            continue
        with opened(folder) as handle:
            found = status(handle, name)
        if found is not None and found.st_mtime < before_s and not stat.S_ISLNK(found.st_mode):
            broom.sweep(what, folder, name)


def forget(home: Home, names: Iterable[str]) -> None:
    """Take removed jobs out of this node's index, and their marks out of the home."""
    gone = {name.partition("/")[2] for name in names}
    if gone:
        unmark(home.jobs.folder, gone)
        with open_index(home.state_dir, home.jobs.folder) as index:
            index.forget(gone)


def is_over(job_id: str, home: Home, ends: Callable[[Job, Home], bool] = has_ended) -> bool:
    """Whether a job has ended, by its own files; one that cannot be read stays."""
    with opened(home.jobs.folder) as handle:
        if not is_folder(handle, job_id):  # a link somebody made: its folder lies elsewhere
            return False
    try:
        return ends(home.jobs.load(job_id), home)
    except RejectError:
        return False


def ended_s(folder: Path) -> float:
    """When a job ended, in seconds since 1970; infinite where it has not."""
    found = []
    for name in ENDS:
        try:
            found.append(os.lstat(folder / name).st_mtime)
        except OSError:
            continue
    return max(found, default=float("inf"))


def names_in(folder: Path, *below: str) -> list[str]:
    """What lies in a folder; nothing where it is not there, or where one `below` is a link."""
    try:
        with opened(folder, *below) as handle:
            return sorted(os.listdir(handle))
    except OSError:
        return []


def days(names: Iterable[str], until: date) -> set[str]:
    """Those names that are dates before `until`."""
    found = set()
    for name in names:
        if DAY.fullmatch(name):
            try:
                before = date.fromisoformat(name) < until
            except ValueError:  # such as 2026-13-40
                continue
            found |= {name} if before else set()
    return found
