"""THE CONSUMER FLOW: leased chunk → read → decode → each stage: batch → session → head → publish.

Only calls, in data order. Each stage runs over the whole chunk; it knows no recipe by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from nasfarm.core.findings import Found
from nasfarm.core.items import Item
from nasfarm.core.jobs import Job
from nasfarm.core.leases import Lease
from nasfarm.core.lines import Fault, Line
from nasfarm.core.recipes import WHOLE_IMAGE, ResolvedRecipe, ResolvedStage
from nasfarm.errors import ImageError
from nasfarm_workers.heads.registry import head_named
from nasfarm_workers.pixels import Picture, View
from nasfarm_workers.progress import Progress
from nasfarm_workers.recipes.careful import groups, unrun
from nasfarm_workers.recipes.gate import gated
from nasfarm_workers.recipes.lines import failed, lines_of
from nasfarm_workers.runtime.batch import batches
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.publish import publish
from nasfarm_workers.runtime.views import by_picture, crops, whole
from nasfarm_workers.worker import Files, Worker


def run_chunk(lease: Lease, job: Job, worker: Worker, beat: Progress) -> list[Line]:
    """Run a chunk, its models open; publish and return its lines, none where another's stand."""
    items = worker.items(job, lease.chunk)
    lines = unrun(items, lease.held)
    together = groups(items, lease, job.recipe.chunk_items)
    with worker.reading(together, beat) as files:
        for group in together:
            beat.fly(group[0].i if lease.careful else None)
            lines += run_group(group, files, job.recipe, worker, beat)
    lines.sort(key=lambda line: line.i)
    path, fence = worker.jobs.chunk_file(job.job_id, lease.chunk), lease.held.fence
    with beat.clock.on("publish"):
        won = publish(path, lines, links=worker.links, fence=fence, confirm=beat.confirm)
    return lines if won else []


def run_group(
    items: Sequence[Item], files: Files, recipe: ResolvedRecipe, worker: Worker, beat: Progress
) -> list[Line]:
    """The lines of items that are run together; apart, where a model fails on them together."""
    with beat.clock.on("preprocess"):  # but for what is read and decoded within
        seen = gated(items, look(items, files, recipe, worker, beat), recipe)
    try:
        found = find([one for one in seen if isinstance(one, Picture)], recipe, worker, beat)
    except ImageError as error:
        if len(items) == 1:
            return [failed(items[0], Fault(error.code, str(error)))]
        return [line for item in items for line in run_group([item], files, recipe, worker, beat)]
    return lines_of(items, seen, found, recipe)


def look(
    items: Sequence[Item], files: Files, recipe: ResolvedRecipe, worker: Worker, beat: Progress
) -> list[Picture | Fault]:
    """Each item's picture, hardly larger than the recipe needs it, or why there is none."""
    seen: list[Picture | Fault] = []
    limit, enough = worker.image_limit_mp, worker.enough(recipe)
    for item in items:
        with beat.clock.on("decode"):
            seen.append(decode(files.take(item), item.name, recipe.max_side, limit, enough))
    return seen


def find(
    pictures: Sequence[Picture], recipe: ResolvedRecipe, worker: Worker, beat: Progress
) -> Found:
    """Every stage over all pictures; what the last one found."""
    found: dict[str, Found] = {}
    for stage in recipe.stages:
        views = whole(pictures) if stage.of == WHOLE_IMAGE else crops(pictures, found[stage.of])
        rows = run_stage(stage, views, recipe, worker, beat)
        found[stage.name] = by_picture(views, rows, len(pictures))
    return found[recipe.stages[-1].name]


def run_stage(
    stage: ResolvedStage, views: Sequence[View], recipe: ResolvedRecipe, worker: Worker,
    beat: Progress,
) -> Found:  # fmt: skip
    """One model over all views of the chunk; its findings view by view."""
    model = worker.models.get(stage.model)
    head, options = head_named(stage.head or model.manifest.head), model.manifest.head_options
    rows: Found = [()] * len(views)
    for batch in beat.preparing(batches(views, model.manifest.input, model.batch, reuse=True)):
        with beat.running(stage.model, len(batch.rows), len(views)):
            outputs = model.session.run(batch.tensor)
        with beat.clock.on("head"):
            found = head(outputs, batch.seen, options, recipe.params, model.labels)
        for row, findings in zip(batch.rows, found, strict=True):
            rows[row] = findings
    return rows
