"""Photos and an open model to what each step of the pipeline costs, in milliseconds an image."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2

from nasfarm.core.findings import Finding
from nasfarm.core.items import Item, address
from nasfarm.core.lines import Fault
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.core.tallies import STEPS
from nasfarm.errors import RejectError
from nasfarm_workers.clock import Clock
from nasfarm_workers.heads.registry import head_named
from nasfarm_workers.pixels import Blob, Picture
from nasfarm_workers.recipes.lines import lines_of
from nasfarm_workers.runtime.batch import batches, least_scale
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.publish import publish
from nasfarm_workers.runtime.read import read
from nasfarm_workers.runtime.session_cache import OpenModel
from nasfarm_workers.runtime.views import whole


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This thread on one core, and OpenCV with it, as a worker's process is."""
    cores, threads = os.sched_getaffinity(0), cv2.getNumThreads()
    os.sched_setaffinity(0, {core})
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        cv2.setNumThreads(threads)


def step_costs(
    photos: Sequence[Path], model: OpenModel, recipe: ResolvedRecipe, scratch: Path
) -> dict[str, float]:
    """Milliseconds an image of each of STEPS, through the very code the workers run, as one chunk.
    What a farm's image takes beyond them is `queue`: hints, leases, waiting for each other, and the
    last step of a job.

    photos: in one folder. recipe: of one stage, over whole pictures. scratch: a folder on the
    home's storage, where the chunk's lines are published. Raises RejectError for what is no photo.
    """
    clock = Clock()
    items = [_item(i, path) for i, path in enumerate(photos)]
    pictures = [_look(item, photos[0].parent, model, recipe, clock) for item in items]
    found = _find(pictures, model, recipe, clock)
    with clock.on("publish"):
        lines = lines_of(items, pictures, found, recipe)
        target = scratch / f"{os.getpid()}-{time.monotonic_ns()}.jsonl"
        publish(target, lines, links=True, fence="bench", confirm=lambda: None)
    return {step: 1000 * clock.seconds.get(step, 0.0) / len(photos) for step in STEPS}


def _item(i: int, path: Path) -> Item:
    status = path.stat()
    return Item(i, address("bench", os.fsencode(path.name)), status.st_size, status.st_mtime_ns)


def _look(
    item: Item, folder: Path, model: OpenModel, recipe: ResolvedRecipe, clock: Clock
) -> Picture:
    with clock.on("read"):
        blob = read(item, {"bench": folder}, lambda _: True)
    spec = model.manifest.input
    with clock.on("decode"):
        seen = decode(
            blob, item.item, recipe.max_side, enough=lambda w, h: least_scale(spec, w, h)
        ) if isinstance(blob, Blob) else blob  # fmt: skip
    if isinstance(seen, Fault):
        raise RejectError(f"{folder}: {seen.message}", code=seen.code)
    return seen


def _find(
    pictures: Sequence[Picture], model: OpenModel, recipe: ResolvedRecipe, clock: Clock
) -> list[tuple[Finding, ...]]:
    (stage,) = recipe.stages
    manifest = model.manifest
    head = head_named(stage.head or manifest.head)
    views = whole(pictures)
    rows: list[tuple[Finding, ...]] = [()] * len(views)
    made = batches(views, manifest.input, model.batch, reuse=True)
    for batch in clock.each("preprocess", made):
        with clock.on("session"):
            outputs = model.session.run(batch.tensor)
        with clock.on("head"):
            found = head(outputs, batch.seen, manifest.head_options, recipe.params, model.labels)
        for row, findings in zip(batch.rows, found, strict=True):
            rows[row] = findings
    return rows
