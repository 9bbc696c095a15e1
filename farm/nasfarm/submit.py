"""THE PRODUCER FLOW: paths → scan → items → manifest → plan → job → hints. Only calls."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from nasfarm.broker.client import Broker
from nasfarm.core import wire
from nasfarm.core.jobs import Job, Skipped
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.core.requests import Request, Submitted
from nasfarm.errors import BrokerError, RejectError
from nasfarm.home import Home
from nasfarm.intake.scan import Tally, scan
from nasfarm.jobs.earlier import done_before
from nasfarm.jobs.manifest import Written, spool, write_manifest
from nasfarm.nodes.roots import require_present
from nasfarm.plan.chunks import Run, plan_runs
from nasfarm.plan.sizes import Sizes, sizes
from nasfarm.plan.suited import check_suited
from nasfarm.recipe_specs import specs
from nasfarm.recipe_specs.named import check_named
from nasfarm.reconcile import mend


def submit(request: Request, home: Home, broker: Broker) -> Submitted:
    """Accept a job, once. Raises RejectError, BrokerError, StorageError: then nothing is there."""
    broker.check()
    recipe = specs.resolve(specs.load(home.recipes, request.recipe), request.sets, home.models.pin)
    check_named(recipe, home.models.labels)
    check_suited(recipe, broker.presence.alive())
    tally = Tally()
    with spool(home.scratch) as found, home.jobs.draft() as draft:
        found.add(scan(request.paths, home.locate, tally, request.every_s))
        done = found.drop(done_before(home.jobs, recipe)) if request.new else 0
        whole = found.thin(request.sample)
        manifest = write_manifest(draft / "manifest.jsonl", found.items())
        skipped = tally.skipped(done)
        pace = sizes(broker.rates.of(recipe), broker.presence.slots(), recipe.chunk_items)
        job = plan_job(request, recipe.drawing(request.sample), manifest, skipped, pace)
        if request.dry_run or is_empty(job, request, home):
            return Submitted.of(job, skipped, whole, job_id="")
        job, existing = accept(home, draft, job, again=request.again)
    hinted = announce(job, home, broker)
    return Submitted.of(job, skipped, whole, job_id=job.job_id, existing=existing, hinted=hinted)


def plan_job(
    request: Request, recipe: ResolvedRecipe, manifest: Written, skipped: Skipped, pace: Sizes
) -> Job:
    """A job's request, resolved; its key is what makes two requests the same."""
    same = wire.encode(recipe) + manifest.digest.encode()
    key = hashlib.blake2b(same, digest_size=16).hexdigest()
    plan = plan_runs((Run(*run) for run in manifest.runs), pace, manifest.offsets.__getitem__)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Job(
        f"{recipe.name}-{key[:10]}", key, now, recipe, request.priority, manifest.items,
        manifest.bytes, skipped, plan, frames=manifest.frames, finish_by=request.finish_by,
    )  # fmt: skip


def is_empty(job: Job, request: Request, home: Home) -> bool:
    """Whether nothing is left to do. Raises RejectError, StorageError: there never was anything."""
    if job.items or job.skipped.done:
        return not job.items
    require_present(request.paths, home.state_dir, home.roots)
    left_out = job.skipped.told
    raise RejectError(
        f"no pictures in {', '.join(request.paths)} (left out: {left_out or 'nothing'}). "
        f"Name a folder with pictures, e.g.: farm submit ~/Pictures --recipe {request.recipe} "
        "(videos in a folder are taken with --every SECONDS)"
    )


def accept(home: Home, draft: Path, job: Job, *, again: bool) -> tuple[Job, bool]:
    """The accepted job and whether it was there before; `again` finds it a name of its own."""
    first = job.job_id
    for run in count(2):
        # Of a job that is handed in for the tenth time, nine names are taken: write it once.
        if not home.jobs.exists(job.job_id) and home.jobs.accept(draft, job):
            break
        there = home.jobs.load(job.job_id)
        # An id holds only the key's beginning: of 100,000 jobs two may share one.
        if there.key == job.key and not again:
            return there, True
        job = replace(job, job_id=f"{first}-{run}")
    return job, False


def announce(job: Job, home: Home, broker: Broker) -> bool:
    """Hint the first chunks; False where the broker went away: the job is queued on storage."""
    try:
        mend(job, home, broker)
    except BrokerError:
        return False
    return True
