"""The folder `jobs/` on shared storage: a job's files to what they say, and back."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nasfarm.core import wire
from nasfarm.core.jobs import (
    NEWEST_FORMAT,
    Job,
    Pace,
    Refreshed,
    Segment,
    Summary,
    newest_generation,
)
from nasfarm.errors import NewerFormatError, RejectError, StorageError, UnknownNameError
from nasfarm.jobs.reopened import mark
from nasfarm.jobs.rolling import PLAN, Rolling
from nasfarm.storage.atomic import (
    CANNOT_WRITE,
    publish_file,
    storage_errors,
    sync_folder,
    write_file,
)


@dataclass(frozen=True, slots=True)
class Written:
    """What is read of any job.json first."""

    format: int = 1


MOST_ROLLING = 8
"""So many rolling jobs are known at once, of some MB each: one a recipe and day."""


class JobStore:
    """Jobs by their id. `folder` is `$FARM_HOME/jobs`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rolling: dict[str, Rolling] = {}

    def path(self, job_id: str) -> Path:
        return self.folder / job_id

    def manifest(self, job_id: str) -> Path:
        return self.path(job_id) / "manifest.jsonl"

    def chunk_file(self, job_id: str, number: int) -> Path:
        return self.path(job_id) / "chunks" / f"{number}.jsonl"

    def vectors_file(self, job_id: str, number: int) -> Path:
        """The embeddings of a chunk's items, a row each."""
        return self.chunk_file(job_id, number).with_suffix(".npy")

    def results(self, job_id: str) -> Path:
        return self.path(job_id) / "results.jsonl"

    def report(self, job_id: str) -> Path:
        return self.path(job_id) / "report.html"

    def checkpoint(self, job_id: str) -> Path:
        """What a rolling job's first lines came to when they were last put together."""
        return self.path(job_id) / "checkpoint"

    # -- a new job ---------------------------------------------------------------------------

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A hidden folder in which a job is written; what is not accepted disappears."""
        folder = self.folder / f".new-{uuid.uuid4().hex[:12]}"
        with storage_errors(self.folder):
            (folder / "chunks").mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def accept(self, draft: Path, job: Job) -> bool:
        """Give a draft its name in one step; False where a job of that id is there already.

        The rename decides between two identical submits at once.
        """
        record = {"format": job.format} | wire.plain(job)
        for name in ("watched", "frames", "finish_by"):
            if not record[name]:
                del record[name]
        write_file(draft / "job.json", wire.encode_pretty(record))
        with storage_errors(self.folder):
            try:
                draft.rename(self.path(job.job_id))
            except OSError:
                if (self.path(job.job_id) / "job.json").exists():
                    return False
                raise
            sync_folder(self.folder)
        return True

    # -- a job that is there -----------------------------------------------------------------

    def ids(self) -> list[str]:
        """Every job's id, in no order. Raises StorageError where the home is away."""
        with storage_errors(self.folder):
            return [name for name in os.listdir(self.folder) if name[0].isalnum()]

    def exists(self, job_id: str) -> bool:
        return (self.path(job_id) / "job.json").is_file()

    def load(self, job_id: str) -> Job:
        """The job as it was accepted. Raises UnknownNameError, StorageError, RejectError."""
        path = self.path(job_id) / "job.json"
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UnknownNameError.of(
                "job", job_id, self.ids(), "See them all: farm jobs"
            ) from error
        except OSError as error:
            raise StorageError(
                f"{path}: {error.strerror}. Check the share and try again."
            ) from error
        found = wire.decode(Written, data, str(path)).format
        if found > NEWEST_FORMAT:
            raise NewerFormatError(
                f"{path}: got format {found} of a newer nasfarm, wanted {NEWEST_FORMAT} or less. "
                "Update nasfarm on this machine."
            )
        return wire.decode(Job, data, str(path))

    def plan(self, job: Job) -> tuple[Segment, ...]:
        """All segments: those the job was accepted with, and those that retries or, in a rolling
        job, more items have added; of a rolling job without items none.
        """
        if job.rolling:
            return self.rolling(job.job_id).plan.read()
        added = self._added(job.job_id)
        return job.plan + tuple(segment for generation in added for segment in generation)

    def extend_plan(self, job_id: str, segments: tuple[Segment, ...]) -> None:
        """Add a generation of chunks. Raises RejectError where another retry came first; RetryError
        where a rolling job has just grown.
        """
        mark(self.folder, job_id, segments[0].generation)
        if (self.path(job_id) / PLAN).exists():
            self.rolling(job_id).extend(segments)
            return
        path = self.path(job_id) / f"plan.{segments[0].generation}.json"
        if not publish_file(path, wire.encode(segments)):
            raise RejectError(f"{job_id}: another retry has just begun. See: farm status {job_id}")

    def _added(self, job_id: str) -> list[tuple[Segment, ...]]:
        added: list[tuple[Segment, ...]] = []
        while True:
            path = self.path(job_id) / f"plan.{len(added) + 1}.json"
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                return added
            added.append(wire.decode(tuple[Segment, ...], data, str(path)))

    # -- a job that grows --------------------------------------------------------------------

    def rolling(self, job_id: str) -> Rolling:
        """The rolling job's growing files; what was read of them once is not read again."""
        one = self._rolling.pop(job_id, None) or Rolling(self.path(job_id))
        while len(self._rolling) >= MOST_ROLLING:
            self._rolling.pop(next(iter(self._rolling)), None)
        self._rolling[job_id] = one
        return one

    def seal(self, job_id: str) -> None:
        """Say that the job grows no more."""
        write_file(self.path(job_id) / "sealed", b"")

    def unseal(self, job_id: str) -> None:
        """Let it grow again: the clock was set back over midnight."""
        again = newest_generation(self.rolling(job_id).plan.read()) + 1
        mark(self.folder, job_id, again)  # whoever knows that it has ended looks from now on
        with storage_errors(self.path(job_id)):
            (self.path(job_id) / "sealed").unlink(missing_ok=True)

    def sealed(self, job_id: str) -> bool:
        return (self.path(job_id) / "sealed").exists()

    def refreshed(self, job_id: str) -> Refreshed:
        """What the results of a rolling job hold; nothing where they were never written."""
        path = self.path(job_id) / "refreshed.json"
        try:
            return wire.decode(Refreshed, path.read_bytes(), str(path))
        except (OSError, RejectError):  # made anew from the chunks
            return Refreshed()

    def refresh(self, job_id: str, refreshed: Refreshed) -> None:
        """Write refreshed.json, after the results and summary it speaks of."""
        write_file(self.path(job_id) / "refreshed.json", wire.encode(refreshed))

    # -- what is done ------------------------------------------------------------------------

    def done_chunks(self, job_id: str) -> set[int]:
        """Numbers of the chunks whose results are published."""
        folder = self.path(job_id) / "chunks"
        with storage_errors(folder):
            names = os.listdir(folder)
        found = (name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl"))
        return {int(number) for number in found if number.isdecimal()}

    def is_done(self, job_id: str, number: int) -> bool:
        """Whether a chunk's result is there. Raises StorageError."""
        path = self.chunk_file(job_id, number)
        with storage_errors(path):
            return path.exists()

    # -- how a job ends ----------------------------------------------------------------------

    def summary(self, job_id: str, generation: int) -> Summary | None:
        """The outcome, where the reduce step of the plan's `generation` has written it."""
        path = self.path(job_id) / "summary.json"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(
                f"{path}: {error.strerror}. Check the share and try again."
            ) from error
        summary = wire.decode(Summary, data, str(path))
        return summary if summary.generation == generation else None

    def pace(self, job_id: str) -> Pace:
        """How fast a finished job went."""
        path = self.path(job_id) / "pace.json"
        try:
            return wire.decode(Pace, path.read_bytes(), str(path))
        except OSError:
            return Pace(None)

    def finish(self, summary: Summary, pace: Pace) -> None:
        """Write pace.json and then summary.json, the last file of a job."""
        write_file(self.path(summary.job_id) / "pace.json", wire.encode(pace) + b"\n")
        write_file(self.path(summary.job_id) / "summary.json", wire.encode_pretty(summary))

    def unfinish(self, job_id: str) -> None:
        """Take back how the job ended, so that its reduce step runs again; its lines stay."""
        for name in ("summary.json", "refreshed.json"):
            path = self.path(job_id) / name
            with storage_errors(path, CANNOT_WRITE):
                path.unlink(missing_ok=True)

    def cancel(self, job_id: str) -> None:
        publish_file(self.path(job_id) / "cancelled", b"")

    def is_cancelled(self, job_id: str) -> bool:
        return (self.path(job_id) / "cancelled").exists()

    def fail(self, job_id: str, reason: str) -> None:
        """Mark a job that cannot be finished; the lines so far stay."""
        publish_file(self.path(job_id) / "failed", reason.encode())

    def failure(self, job_id: str) -> str | None:
        """Why the job cannot be finished; None where nothing says so."""
        try:
            return (self.path(job_id) / "failed").read_text()
        except FileNotFoundError:
            return None

    def reopen(self, job_id: str) -> None:
        """Take back `failed`, before a retry."""
        with storage_errors(self.path(job_id)):
            (self.path(job_id) / "failed").unlink(missing_ok=True)
