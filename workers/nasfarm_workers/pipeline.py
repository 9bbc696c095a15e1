"""THE CONSUMER FLOW: leased chunk → read → decode → each stage: batch → session → head → publish.

Only calls, in data order. Each stage runs over the whole chunk, so that crops of many images share
batches. It knows no recipe by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from nasfarm.core.findings import Finding
from nasfarm.core.items import Item
from nasfarm.core.jobs import Chunk, Job
from nasfarm.core.leases import Finished, Lease
from nasfarm.core.lines import Fault
from nasfarm.core.recipes import WHOLE_IMAGE, ResolvedRecipe, ResolvedStage
from nasfarm.jobs.manifest import read_items
from nasfarm.plan.chunks import chunk_of
from nasfarm_workers.heads.registry import head_named
from nasfarm_workers.pixels import Picture, View
from nasfarm_workers.recipes.lines import lines_of
from nasfarm_workers.runtime.batch import batches
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.publish import publish
from nasfarm_workers.runtime.read import read
from nasfarm_workers.runtime.views import by_picture, crops, whole
from nasfarm_workers.worker import Beat, Worker

Found = list[tuple[Finding, ...]]
"""What a stage found: one tuple of findings a picture."""


def run_chunk(lease: Lease, job: Job, worker: Worker) -> tuple[Chunk, Finished]:
    """Run a chunk and publish its lines. Raises LeaseLostError, StorageError, RejectError."""
    beat = worker.beat(lease)
    jobs, plan = worker.jobs, worker.jobs.plan(job)
    chunk = chunk_of(job.job_id, plan, lease.chunk)
    items = read_items(jobs.manifest(job.job_id), plan, chunk.items)
    seen = look(items, job.recipe, worker, beat)
    found = find([one for one in seen if isinstance(one, Picture)], job.recipe, worker, beat)
    lines = lines_of(items, seen, found, job.recipe)
    publish(jobs.chunk_file(job.job_id, chunk.number), lines)
    errors = sum(line.fault is not None for line in lines)
    ok = len(lines) - errors
    return chunk, worker.broker.leases.done(job.job_id, chunk.number, chunk.root, ok, errors)


def look(
    items: Sequence[Item], recipe: ResolvedRecipe, worker: Worker, beat: Beat
) -> list[Picture | Fault]:
    """Each item's picture, no larger than the recipe needs it, or why there is none."""
    roots = worker.roots()
    seen: list[Picture | Fault] = []
    for item in items:
        blob = read(item, roots)
        picture = (
            blob
            if isinstance(blob, Fault)
            else decode(blob, item.item, recipe.max_side, worker.image_limit_mp)
        )
        seen.append(picture)
        beat()
    return seen


def find(pictures: Sequence[Picture], recipe: ResolvedRecipe, worker: Worker, beat: Beat) -> Found:
    """Every stage over all pictures; what the last one found."""
    found: dict[str, Found] = {}
    for stage in recipe.stages:
        views = whole(pictures) if stage.of == WHOLE_IMAGE else crops(pictures, found[stage.of])
        rows = run_stage(stage, views, recipe, worker, beat)
        found[stage.name] = by_picture(views, rows, len(pictures))
    return found[recipe.stages[-1].name]


def run_stage(
    stage: ResolvedStage, views: Sequence[View], recipe: ResolvedRecipe, worker: Worker, beat: Beat
) -> Found:
    """One model over all views of the chunk; its findings view by view."""
    model = worker.models.get(stage.model)
    head = head_named(model.manifest.head)
    beat()
    rows: Found = [()] * len(views)
    for batch in batches(views, model.manifest.input, model.manifest.batch):
        outputs = model.session.run(batch.tensor)
        options = model.manifest.head_options
        found = head(outputs, batch.seen, options, recipe.params, model.labels)
        for row, findings in zip(batch.rows, found, strict=True):
            rows[row] = findings
        beat()
    return rows
