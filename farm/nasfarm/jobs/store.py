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
from nasfarm.core.jobs import FORMAT, Job, Pace, Segment, Summary
from nasfarm.errors import NewerFormatError, RejectError, StorageError, UnknownNameError
from nasfarm.storage.atomic import publish_file, storage_errors, sync_folder, write_file


@dataclass(frozen=True, slots=True)
class Written:
    """What is read of any job.json first."""

    format: int = 1


class JobStore:
    """Jobs by their id. `folder` is `$FARM_HOME/jobs`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

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
        write_file(draft / "job.json", wire.encode_pretty({"format": FORMAT} | wire.plain(job)))
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
        if found > FORMAT:
            raise NewerFormatError(
                f"{path}: got format {found} of a newer nasfarm, wanted at most {FORMAT}. Update "
                "nasfarm on this machine."
            )
        return wire.decode(Job, data, str(path))

    def plan(self, job: Job) -> tuple[Segment, ...]:
        """All segments: those the job was accepted with, and those that retries added."""
        added = self._added(job.job_id)
        return job.plan + tuple(segment for generation in added for segment in generation)

    def extend_plan(self, job_id: str, segments: tuple[Segment, ...]) -> None:
        """Add a generation of chunks. Raises RejectError where another retry came first."""
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
