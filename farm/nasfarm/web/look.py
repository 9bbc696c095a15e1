"""THE LOOKING FLOW: home and broker → what the pages show. Only calls; blocks; changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any

from nasfarm import follow, holding, listing
from nasfarm.core.items import item_name
from nasfarm.core.jobs import Job, Progress, newest_generation
from nasfarm.core.nodes import Hold
from nasfarm.core.words import amount, number_of
from nasfarm.drop_checks import look_at_drops
from nasfarm.errors import BrokerError, FarmError, StorageError, UnknownNameError
from nasfarm.home import Home
from nasfarm.nodes.holds import hold_of, known_nodes
from nasfarm.plan.chunks import begun_again
from nasfarm.storage.atomic import storage_errors
from nasfarm.storage.removal import opened
from nasfarm.web.sight import Seen, Sight
from nasfarm.web.views import (
    FailureView,
    JobView,
    NodeView,
    Overview,
    PictureView,
    Trouble,
    nodes_of,
)

JOBS, OLDER = 50, 200
"""Jobs of the first page, and of each page that lists all."""
FAILURES = 50
LAST_PICTURES, JOB_PICTURES = 6, 24
LATELY = 10
"""So many of the newest jobs are asked for drawn pictures."""

MEMORY = 16
"""So many jobs' failures are remembered: to find them may mean to read all lines of a job."""


class Looker:
    """Looks at one farm; remembers what is dear to find and has not changed."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._failures: dict[str, tuple[object, list[dict[str, Any]]]] = {}

    @property
    def place(self) -> str:
        """Where the farm's folder is."""
        return str(self._sight.settings.home)

    def overview(self) -> Overview:
        """The first page."""
        seen = self._sight.see()
        troubles = [*seen.troubles, *drops(seen)]
        listed = listed_jobs(seen, troubles, JOBS, open_first=True)
        pictures = last_pictures(seen.home, listed.jobs) if seen.home else ()
        return Overview(tuple(troubles), listed.jobs, listed.more, nodes_seen(seen), pictures)

    def older(self, page: int) -> Overview:
        """A page of all jobs, from 1 on, the newest first."""
        seen = self._sight.see()
        troubles = [*seen.troubles]
        listed = listed_jobs(seen, troubles, page * OLDER)
        return Overview(tuple(troubles), listed.jobs[(page - 1) * OLDER :], listed.more, page=page)

    def job(self, job_id: str) -> JobView:
        """The page of one job. Raises UnknownNameError."""
        seen = self._sight.see()
        if seen.home is None:
            return JobView(job_id, seen.troubles)
        try:
            return self._job(job_id, seen, seen.home)
        except UnknownNameError:
            raise
        except FarmError as error:
            trouble = Trouble("The job cannot be read", str(error))
            return JobView(job_id, (*seen.troubles, trouble))

    def _job(self, job_id: str, seen: Seen, home: Home) -> JobView:
        job = home.jobs.load(job_id)
        now = follow.progress(job, home, seen.broker)
        failed = self._failed(job, now, home) if now.errors else []
        plan = home.jobs.plan(job)
        again = begun_again(plan, home.jobs.done_chunks(job_id)) if failed else set()
        return JobView(
            job_id, seen.troubles, now, tuple(facts_of(job)),
            failures=tuple(failure_of(line, again) for line in failed[:FAILURES]),
            failed_more=len(failed) > FAILURES,
            retry=now.state.ended or job.rolling,
            report=home.jobs.report(job_id).is_file(),
            pictures=tuple(islice(pictures_of(home, job_id), JOB_PICTURES)),
        )  # fmt: skip

    def _failed(self, job: Job, now: Progress, home: Home) -> list[dict[str, Any]]:
        """The first failed items; found anew once there are others."""
        generation = newest_generation(home.jobs.plan(job))
        key = (now.errors, now.state, generation, now.chunks_done if generation else 0)
        known = self._failures.pop(job.job_id, None)
        if known is None or known[0] != key:
            known = (key, list(islice(follow.failed_lines(job, home), FAILURES + 1)))
        self._failures[job.job_id] = known
        while len(self._failures) > MEMORY:
            self._failures.pop(next(iter(self._failures)), None)
        return known[1]


def listed_jobs(
    seen: Seen, troubles: list[Trouble], most: int, *, open_first: bool = False
) -> listing.Listing:
    """The newest jobs; where they cannot be read, none and a trouble more."""
    if seen.home is not None:
        try:
            return listing.jobs(seen.home, seen.broker, most, open_first=open_first)
        except FarmError as error:
            troubles.append(Trouble("The jobs cannot be read", str(error)))
    return listing.Listing((), 0)


def nodes_seen(seen: Seen) -> tuple[NodeView, ...]:
    """The nodes, as far as broker and home tell of them."""
    asked = holds(seen)
    try:
        reports, known = seen.broker.presence.alive(), seen.broker.presence.known()
        return nodes_of(reports, known, asked, holding.count_running(seen.broker))
    except BrokerError:
        return nodes_of((), (), asked, {})


def holds(seen: Seen) -> dict[str, Hold]:
    """What was said of nodes by hand."""
    if seen.home is None:
        return {}
    where = seen.settings.home
    found: dict[str, Hold] = {}
    with suppress(StorageError):
        for name in known_nodes(where):
            hold = hold_of(where, name)
            if hold is not None:
                found[name] = hold
    return found


def drops(seen: Seen) -> Iterator[Trouble]:
    """What keeps dropped files from being taken."""
    if seen.home is None:
        return
    try:
        with storage_errors(seen.settings.inbox_folder):
            checks = list(look_at_drops(seen.settings, seen.home, lambda: seen.broker))
    except FarmError as error:
        yield Trouble("The drop folder cannot be read", str(error))
        return
    for check in checks:
        if check.mend:
            yield Trouble(f"{check.what} {check.where}", f"{check.found}.", check.mend)


def last_pictures(home: Home, jobs: Iterable[Progress]) -> tuple[PictureView, ...]:
    """Drawn pictures of the newest jobs that have some."""
    found = (p for job in islice(jobs, LATELY) if job.ok for p in pictures_of(home, job.job_id))
    return tuple(islice(found, LAST_PICTURES))


def pictures_of(home: Home, job_id: str) -> Iterator[PictureView]:
    """A job's drawn pictures, in the order of their names; none where there is no such folder."""
    try:
        with opened(home.jobs.folder, job_id, "pictures") as handle:
            names = sorted(os.listdir(handle))
    except OSError:
        return
    for name in names:
        if name.endswith(".jpg") and not name.startswith("."):
            yield PictureView(job_id, name)


def failure_of(line: Mapping[str, Any], again: set[int]) -> FailureView:
    """A failed line as the page has it."""
    item = item_name(line["item"], line.get("frame", {}).get("number"))
    message = line["message"].removeprefix(f"{item}: ")  # it stands there already
    return FailureView(line["i"], item, line["code"], message, line["attempts"], line["node"],
                       line["excerpt"], line["i"] in again)  # fmt: skip


def facts_of(job: Job) -> Iterator[tuple[str, str]]:
    """What was asked for, in words."""
    yield "Recipe", job.recipe.name
    values = ", ".join(f"{name} = {value}" for name, value in job.recipe.params.items())
    if values:
        yield "Values", values
    yield "Models", ", ".join(str(stage.model) for stage in job.recipe.stages)
    yield (
        "Handed in",
        datetime.fromisoformat(job.created_at).astimezone().strftime("%Y-%m-%d %H:%M"),
    )
    yield "Priority", str(job.priority)
    if job.watched:
        yield "Holds", f"what is dropped on {job.watched.day}"
        return
    yield "Pictures", f"{number_of(job.items, 'picture')}, {amount(job.bytes)}"
    yield "Roots", ", ".join(job.roots)
    if job.finish_by:
        yield "To be done by", job.finish_by.astimezone().strftime("%Y-%m-%d %H:%M")
