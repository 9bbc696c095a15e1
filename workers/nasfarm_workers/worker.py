"""What one worker process has at hand: its home, broker, open models and roots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nasfarm.broker.client import Broker
from nasfarm.core.items import Item, is_video
from nasfarm.core.jobs import Job
from nasfarm.core.leases import Lease, Refusal
from nasfarm.core.lines import Fault
from nasfarm.core.models import PinnedModel
from nasfarm.core.recipes import WHOLE_IMAGE, ResolvedRecipe
from nasfarm.core.tallies import Tally
from nasfarm.jobs.manifest import read_items
from nasfarm.jobs.store import JobStore
from nasfarm.plan.chunks import chunk_of, segment_with
from nasfarm.registry.store import ModelStore
from nasfarm.registry.sync import verified_copy
from nasfarm_workers.pixels import Blob, Enough, Shot, every_pixel
from nasfarm_workers.progress import Progress, Tell, to_nobody
from nasfarm_workers.runtime.batch import least_scale
from nasfarm_workers.runtime.frames import Videos
from nasfarm_workers.runtime.read import Ahead, Pace, open_file, read_ahead
from nasfarm_workers.runtime.session import open_session
from nasfarm_workers.runtime.session_cache import OpenModel, SessionCache
from nasfarm_workers.tuning.choice import CPU, Tuning

OPENING_IMAGES = 5
"""Opening a model may take as long as so many images: it may come from a slow share first."""


@dataclass(frozen=True, slots=True)
class Files:
    """A chunk's items as they are asked for: pictures are read ahead, videos frame by frame."""

    pictures: Ahead
    videos: Videos
    beat: Progress

    def take(self, item: Item) -> Blob | Shot | Fault:
        """What the item's file holds: the next step of the work, timed as `read`.

        Raises StorageError where its root is away, and as `Progress.step`.
        """
        self.beat.step()
        source = self.videos if is_video(item.item) else self.pictures
        with self.beat.clock.on("read"):
            taken = source.take(item)
        self.beat.has_read()
        return taken


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process.

    roots: this node's roots as they are now; one may be added while the farm runs.
    present: whether a root is there now. links: whether the home takes hard links.
    name: tells it from every other that ever ran on this node: slot and process id.
    image_limit_mp: larger pictures (in megapixels) are refused before they are decoded.
    image_timeout_s: a step of work may take so long for each of its images.
    must_stop: whether this process has to hand back what it runs. takes_work: whether it may begin
        another chunk.
    step_aside: tell the node's agent that the home cannot be written, and why.
    tell: say how far a chunk is. pace: how files came to this process of late.
    """

    jobs: JobStore
    roots: Callable[[], Mapping[str, Path]]
    present: Callable[[str], bool]
    links: bool
    broker: Broker
    models: SessionCache
    node: str
    boot: str
    name: str
    image_limit_mp: float
    image_timeout_s: float
    must_stop: Callable[[], bool]
    takes_work: Callable[[], bool]
    step_aside: Callable[[str], None]
    tell: Tell = to_nobody
    pace: Pace = field(default_factory=Pace)

    def claim(self, job_id: str, chunk: int) -> Lease | Refusal:
        return self.broker.leases.claim(job_id, chunk, self.node, self.boot, self.name)

    def count(self, tally: Tally) -> None:
        """Add to this node's tally."""
        self.broker.tallies.add(tally, self.node)

    def items(self, job: Job, number: int) -> list[Item]:
        """A chunk's items. Raises StorageError; RejectError where the plan has no such chunk."""
        plan = self.jobs.plan(job)
        chunk = chunk_of(job.job_id, plan, number)
        segment = segment_with(plan, number)
        # A rolling job's plan may have 80,000 segments, and a chunk is in one of them.
        needed = plan if segment is None or segment.picked else (segment,)
        return read_items(self.jobs.manifest(job.job_id), needed, chunk.items)

    def open_models(self, recipe: ResolvedRecipe, beat: Progress) -> None:
        """Have every stage's model open before an image can be blamed for anything."""
        beat.parts = 1 + len(recipe.stages)
        for stage in recipe.stages:
            beat.step(OPENING_IMAGES)
            self.models.get(stage.model)

    @contextmanager
    def reading(self, groups: Sequence[Sequence[Item]], beat: Progress) -> Iterator[Files]:
        """The files of these items, pictures read ahead of the work; `beat` goes on with frames."""
        beat.images = sum(map(len, groups))
        pictures = [item for group in groups for item in group if not is_video(item.item)]
        videos = Videos(
            lambda item: open_file(item, self.roots(), self.present), beat.step, self.image_limit_mp
        )
        with read_ahead(pictures, self.roots, self.present, self.pace) as ahead, closing(videos):
            yield Files(ahead, videos, beat)

    def enough(self, recipe: ResolvedRecipe) -> Enough:
        """How large a picture has to be for the recipe: whoever cuts out of it wants it whole."""
        if any(stage.of != WHOLE_IMAGE for stage in recipe.stages):
            return every_pixel
        specs = [self.models.get(stage.model).manifest.input for stage in recipe.stages]
        return lambda width, height: max(least_scale(spec, width, height) for spec in specs)


def model_loader(
    store: ModelStore, local: Path, threads: int, tuning: Tuning | None
) -> Callable[[PinnedModel], OpenModel]:
    """How a worker opens a model: from this node's verified copy, never from the share.

    tuning: what `farm tune` has found on this machine; it counts for slots of as many cores.
    """
    fits = tuning if tuning and tuning.threads == threads else None

    def load(model: PinnedModel) -> OpenModel:
        path = verified_copy(store, local, model)
        copies = ModelStore(local)
        manifest = copies.manifest(model.name, model.version)
        labels = copies.labels(model.name, model.version)
        session = open_session(path, threads, fits.provider if fits else CPU)
        batch = fits.batch_of(str(model), manifest.batch) if fits else manifest.batch
        return OpenModel(manifest, labels, session, batch)

    return load
