"""A recipe to the files that earlier jobs have done with the same recipe and models."""

from __future__ import annotations

from collections.abc import Iterator

from nasfarm.core.items import Found
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.jobs.manifest import iterate
from nasfarm.jobs.results import is_error, item_number, merged
from nasfarm.jobs.store import JobStore


def done_before(store: JobStore, recipe: ResolvedRecipe) -> Iterator[Found]:
    """Every file, or frame, that has a good line of this very recipe; more than once, it may be."""
    for job_id in sorted(store.ids()):
        if not job_id.startswith(f"{recipe.name}-") or not store.exists(job_id):
            continue
        job = store.load(job_id)
        if job.recipe != recipe:
            continue
        lines = merged(store, job_id, store.plan(job))
        good = (item_number(line) for line in lines if not is_error(line))
        wanted = next(good, None)
        for item in iterate(store.manifest(job_id)):
            if item.i == wanted:
                yield Found(item.item, item.bytes, item.mtime_ns, item.frame)
                wanted = next(good, None)
