"""Taken files → the day's rolling job of their recipe, cut and hinted; closed when the day ends."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from nasfarm.broker.client import Broker
from nasfarm.core.items import HOME_ROOT, Found, is_video
from nasfarm.core.jobs import Job, Priority, Segment, Skipped, Watched, end_of_plan, items_in
from nasfarm.core.rules import NO_RULES, RecipeRules
from nasfarm.core.tallies import of_files
from nasfarm.errors import BrokerError, RejectError, StorageError
from nasfarm.home import Home
from nasfarm.intake.dropped import found, not_planned, taken_days
from nasfarm.intake.take import is_still
from nasfarm.intake.videos import frames
from nasfarm.jobs.dropped import Day
from nasfarm.plan.chunks import Run, hint_of, plan_runs
from nasfarm.plan.sizes import sizes
from nasfarm.recipe_specs import specs
from nasfarm.recipe_specs.named import check_named
from nasfarm.reconcile import mend
from nasfarm.storage.atomic import storage_errors

log = logging.getLogger(__name__)

NO_BROKER = "no broker"
"""Begins the reason where Redis does not answer."""


@dataclass(slots=True)
class Days:
    """The rolling jobs of one watcher. inbox: the drop folder. rules: by recipe. settle_s: a file
    that has not changed for so long is whole.

    open: days whose job may grow. behind: those with files that were taken and may be in no job.
    """

    home: Home
    broker: Broker
    inbox: Path
    rules: Mapping[str, RecipeRules]
    settle_s: float
    say_once: Callable[[str], None]
    open: set[Day] = field(default_factory=set)
    behind: set[Day] = field(default_factory=set)

    def look(self) -> None:
        """Find the days that are not closed: what an earlier watcher took may be in no job."""
        days = (self.day(*each) for each in taken_days(self.inbox))
        self.open = {day for day in days if not self.home.jobs.sealed(day.job_id)}
        self.behind = set(self.open)

    def day(self, recipe: str, date: str) -> Day:
        return Day(self.home.roots[HOME_ROOT], recipe, date)

    def job(self, day: Day) -> Job | None:
        """The job of a day, begun if it is not there; None where the recipe cannot be run, or the
        job could not be finished.
        """
        store = self.home.jobs
        failure = store.failure(day.job_id)
        if failure is not None:
            self.say_once(f"{day.job_id} has failed: {failure}. Mend it, then: farm retry "
                          f"{day.job_id}")  # fmt: skip
            return None
        try:
            if not store.exists(day.job_id):
                self._begin(day)
            elif store.sealed(day.job_id):
                store.unseal(day.job_id)  # the clock was set back over midnight
            self.open.add(day)
            return store.load(day.job_id)
        except RejectError as error:
            self.say_once(str(error))
            return None

    def _begin(self, day: Day) -> None:
        """Accept the job of a day, empty as yet. Raises RejectError where the recipe cannot run."""
        home, rules = self.home, self.rules_of(day)
        resolved = specs.resolve(specs.load(home.recipes, day.recipe), rules.sets, home.models.pin)
        check_named(resolved, home.models.labels)
        watched = Watched(day.day, rules.sidecars, rules.daily_csv)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        named = day.job_id
        job = Job(named, named, now, resolved, Priority.NORMAL, 0, 0, Skipped(), (), watched)
        with home.jobs.draft() as draft:
            for name in ("manifest.jsonl", "plan.jsonl"):
                (draft / name).touch()
            home.jobs.accept(draft, job)
        with storage_errors(self.inbox):
            day.taken.mkdir(parents=True, exist_ok=True)  # by it the day is known again

    def rules_of(self, day: Day) -> RecipeRules:
        return self.rules.get(day.recipe, NO_RULES)

    def waiting(self, job: Job) -> int:
        """How many pictures of a job have no line yet; 0 where the broker does not tell."""
        try:
            counts = self.broker.leases.counts(job.job_id)
        except BrokerError:
            return 0
        done = counts.ok + counts.errors if counts else 0
        return items_in(self.home.jobs.plan(job)) - done

    def hand_in(self, job: Job, items: Sequence[Found]) -> None:
        """Put items into the day's job and hint them. Raises RetryError, StorageError: the next
        look finds them.
        """
        if items:
            segments = self.home.jobs.rolling(job.job_id).append(items, self._cutter(job))
            self._announce(job, segments)
            # The frames of a video are of one file.
            files = of_files(job.recipe.name, len({item.item for item in items}))
            self.broker.tallies.add(files)
            fields = {"action": "handed_in", "job": job.job_id, "items": len(items)}
            log.info("files taken", extra=fields)

    def items(self, day: Day, files: Iterable[Path]) -> list[Found]:
        """Files to items: a picture is one, a video has frames."""
        looks = ((path, found(self.home.roots[HOME_ROOT], path)) for path in files)
        return [item for path, one in looks if one for item in self.items_of(day, path, one)]

    def items_of(self, day: Day, path: Path, one: Found) -> Iterable[Found]:
        """One file's items; a video of which no frames can be told is one, whose line says why."""
        if not is_video(path.name) or one.same_as:
            return [one]
        try:
            return list(frames(one, os.fspath(path), self.rules_of(day).every_s))
        except StorageError:
            raise
        except Exception:  # PyAV is missing, or stumbles over what it never saw
            log.exception("no frames", extra={"action": "no_frames", "item": one.item})
            return [one]

    def _cutter(
        self, job: Job
    ) -> Callable[[tuple[Segment, ...], int, Sequence[int]], tuple[Segment, ...]]:
        """How what comes is cut into chunks: by the farm's pace, where the broker tells it."""
        try:
            rate, slots = self.broker.rates.of(job.recipe), self.broker.presence.slots()
        except BrokerError:
            rate, slots = None, 0
        pace = sizes(rate, slots, job.recipe.chunk_items)

        def cut(
            plan: tuple[Segment, ...], start: int, offsets: Sequence[int]
        ) -> tuple[Segment, ...]:
            run = Run(HOME_ROOT, start, start + len(offsets))
            return plan_runs([run], pace, lambda i: offsets[i - start], end_of_plan(plan))

        return cut

    def _announce(self, job: Job, segments: Sequence[Segment]) -> None:
        """Hint new chunks; where the broker is away or they are many, the reconciler's way."""
        chunks = range(segments[0].first, segments[-1].end)
        try:
            if len(chunks) > self.home.hints_per_root:
                mend(job, self.home, self.broker)
                return
            self.broker.leases.register(job.job_id, chunks.stop)
            self.broker.hints.send(hint_of(job, segments, chunk) for chunk in chunks)
        except BrokerError as error:
            self.say_once(f"{NO_BROKER}: {error}")

    def catch_up(self, day: Day) -> bool:
        """Hand in what was taken on a day and is in no job, but what is still being written to.

        False where the job's files are damaged; other days go on. Raises as `hand_in`.
        """
        job = self.job(day)
        if job is None:
            return False
        try:
            known = self.home.jobs.rolling(job.job_id).addresses()
        except RejectError as error:
            self.say_once(str(error))
            self.behind.discard(day)
            return False
        new = not_planned(self.inbox, day.recipe, day.day, known)
        still = [path for path in new if is_still(path, self.settle_s)]
        self.hand_in(job, self.items(day, still))
        if still == new:
            self.behind.discard(day)
        else:
            self.behind.add(day)
        return True

    def close(self, day: Day) -> bool:
        """The day is over: its job gets its last results and grows no more; False where not all of
        it is in the job yet. Raises as `hand_in`.
        """
        if not self.catch_up(day) or day in self.behind:
            return False
        self.home.jobs.seal(day.job_id)
        self.open.discard(day)
        with suppress(BrokerError):  # away: the reconciler sees to it
            mend(self.home.jobs.load(day.job_id), self.home, self.broker)
        return True
