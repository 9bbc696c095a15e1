"""Settings to a farm you can talk to: `Farm(home).submit(paths, recipe="detect").wait()`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from nasfarm import config, follow, upgrade
from nasfarm.broker import embedded
from nasfarm.broker.client import Broker
from nasfarm.core.jobs import Job, Priority, Progress
from nasfarm.core.requests import Request, Submitted
from nasfarm.errors import BrokerError, RejectError
from nasfarm.home import Home
from nasfarm.jobs.results import merged, parsed
from nasfarm.jobs.store import JobStore
from nasfarm.jobs.vectors import vectors
from nasfarm.registry.store import ModelStore
from nasfarm.submit import submit


class Farm:
    """A farm, by its home folder: FARM_HOME or ~/nasfarm where none is named."""

    def __init__(self, home: str | os.PathLike[str] | None = None) -> None:
        self._home = None if home is None else Path(home)

    @cached_property
    def settings(self) -> config.Settings:
        """Read from environment, node.yml and farm.yml. Raises RejectError."""
        return config.load(self._home, os.environ)

    @cached_property
    def home(self) -> Home:
        """The stores in the home folder. Raises RejectError where there is no home yet, or one that
        a newer release has made.
        """
        settings = self.settings
        if not settings.farm_file.exists():
            raise RejectError(
                f"{settings.home}: there is no farm here yet. Make one with: farm init"
            )
        upgrade.refuse_newer(settings.home)
        return Home(
            jobs=JobStore(settings.jobs_folder),
            models=ModelStore(settings.models_folder),
            recipes=settings.recipes_folder,
            roots=settings.roots,
            state_dir=settings.state_dir,
            hints_per_root=settings.hints_per_root,
        )

    @cached_property
    def broker(self) -> Broker:
        """The broker this farm uses. Raises BrokerError where the embedded one never ran."""
        settings = self.settings
        url = settings.broker_url or embedded.url_of(settings.broker_folder)
        if url is None:
            raise BrokerError("the farm is not running on this machine. Start it with: farm up")
        return Broker(url, settings.lease_s)

    def submit(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        recipe: str,
        sets: Sequence[str] = (),
        priority: Priority | str = Priority.NORMAL,
        again: bool = False,
        new: bool = False,
        every_s: float | None = None,
        finish_by: datetime | None = None,
    ) -> JobHandle:
        """Hand in files, folders or patterns. After RejectError or RetryError there is no job.

        every_s: of videos, one frame each so many seconds, 0: every frame; without it the videos in
        folders are left out, and of those that are named every frame is taken.
        finish_by: when it is to be done; the farm uses no more slots than it takes, and spare cores
        where it would be late.
        """
        named = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        request = Request(
            tuple(os.fspath(path) for path in named), recipe, tuple(sets), Priority(priority),
            again=again, new=new, every_s=every_s,
            finish_by=finish_by.astimezone() if finish_by else None,
        )  # fmt: skip
        return JobHandle(self, self.request(request))

    def request(self, request: Request) -> Submitted:
        """`submit` for callers that want its whole answer."""
        return submit(request, self.home, self.broker)

    def job(self, job_id: str) -> Job:
        """An accepted job. Raises UnknownNameError."""
        return self.home.jobs.load(job_id)

    def lines(self, job: Job) -> Iterator[dict[str, Any]]:
        """The result lines so far, in manifest order."""
        jobs = self.home.jobs
        return map(parsed, merged(jobs, job.job_id, jobs.plan(job)))

    def vectors(self, job: Job) -> Iterator[tuple[int, bytes]]:
        """Item number and embedding (float16, the low byte first) of each item that has one."""
        jobs = self.home.jobs
        return vectors(jobs, job.job_id, jobs.plan(job))

    def labels(self, job: Job) -> tuple[str, ...]:
        """The labels of the job's last stage's model; none where the home has it no more."""
        model = job.recipe.stages[-1].model
        try:
            return self.home.models.labels(model.name, model.version)
        except RejectError:
            return ()


class JobHandle:
    """A job that was handed in."""

    def __init__(self, farm: Farm, submitted: Submitted) -> None:
        self._farm = farm
        self.submitted = submitted

    @property
    def job_id(self) -> str:
        return self.submitted.job_id

    def wait(self, timeout_s: float | None = None) -> Progress:
        """Block until the job has ended. Raises RetryError when the time is up."""
        farm = self._farm
        return follow.wait(
            farm.job(self.job_id), farm.home, farm.broker, timeout_s, lambda _progress: None
        )

    def lines(self) -> Iterator[dict[str, Any]]:
        """The result lines so far, in manifest order."""
        return self._farm.lines(self._farm.job(self.job_id))
