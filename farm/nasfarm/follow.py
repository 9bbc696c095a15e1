"""THE FOLLOWING FLOW: a job's files and its counts in Redis → what `status` shows. Only calls."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from nasfarm.broker.client import Broker
from nasfarm.broker.leases import Counts
from nasfarm.core.items import HOME_ROOT
from nasfarm.core.jobs import (
    Job,
    Progress,
    Segment,
    State,
    end_of_plan,
    items_in,
    newest_generation,
)
from nasfarm.core.nodes import NodeReport
from nasfarm.deadlines import after
from nasfarm.errors import BrokerError, RejectError, RetryError
from nasfarm.home import Home
from nasfarm.jobs.failures import Failure, failures_of
from nasfarm.jobs.results import count, is_error, item_number, merged, parsed
from nasfarm.plan.chunks import begun_again, plan_retry
from nasfarm.plan.sizes import sizes
from nasfarm.reconcile import is_reduced, mend

POLL_S = (0.02, 0.5)
"""`wait` looks first after the one, and at last every other, seconds."""

NEARER = 8
"""`wait` looks at least so often in the time that is left, so that it does not miss the end."""


def progress(job: Job, home: Home, broker: Broker) -> Progress:
    """How far a job is. A broker that does not answer costs the rates, not the counts."""
    plan = home.jobs.plan(job)
    if not is_reduced(job, home):
        counts = counts_of(job, broker)
        if counts is not None and not home.jobs.is_cancelled(job.job_id):
            now = live_progress(job, plan, counts, note(job, broker))
            return replace(now, soonest=late(job, broker))
    return stored_progress(job, home, plan)


def stored_progress(job: Job, home: Home, plan: Sequence[Segment]) -> Progress:
    """How far a job is that is not live, or no longer: a job that ends has its summary by then."""
    chunks, items = end_of_plan(plan), items_in(plan)
    summary = home.jobs.summary(job.job_id, newest_generation(plan))
    if summary is not None and is_reduced(job, home):
        return Progress(
            job.job_id, State.DONE, items, summary.ok, summary.errors, chunks, chunks,
            images_per_s=home.jobs.pace(job.job_id).images_per_s, finish_by=job.finish_by,
        )  # fmt: skip
    ok, errors = count(merged(home.jobs, job.job_id, plan))
    done = len(home.jobs.done_chunks(job.job_id))
    state, reason = state_on_storage(job, home, done)
    return Progress(
        job.job_id, state, items, ok, errors, chunks, done, note=reason, finish_by=job.finish_by
    )


def counts_of(job: Job, broker: Broker) -> Counts | None:
    """What Redis counts of a live job; None where it is not live or Redis does not answer."""
    try:
        return broker.leases.counts(job.job_id)
    except BrokerError:
        return None


def state_on_storage(job: Job, home: Home, done: int) -> tuple[State, str]:
    """The state of a job that is not live, and why."""
    if home.jobs.is_cancelled(job.job_id):
        return State.CANCELLED, ""
    failure = home.jobs.failure(job.job_id)
    if failure is not None:
        return State.FAILED, failure
    return (
        State.RUNNING if done else State.QUEUED
    ), "queued on storage: start the farm with farm up"


def late(job: Job, broker: Broker) -> datetime | None:
    """When a live job would be done, where that is too late; None where nobody has said so."""
    if job.finish_by is None:
        return None
    try:
        end_s = broker.deadlines.soonest_s(job.job_id)
    except BrokerError:
        return None
    return None if end_s is None else after(job, end_s)


def live_progress(job: Job, plan: Sequence[Segment], counts: Counts, said: str) -> Progress:
    """Progress of a live job from what Redis counts; a rolling one runs until its day is over."""
    state = State.RUNNING if counts.started else State.QUEUED
    items = items_in(plan)
    left = items - counts.ok - counts.errors
    rate = counts.images_per_s
    return Progress(
        job.job_id, state, items, counts.ok, counts.errors, end_of_plan(plan), counts.chunks_done,
        images_per_s=rate,
        eta_s=round(left / rate, 1) if rate and not job.rolling else None,
        note=said, finish_by=job.finish_by,
    )  # fmt: skip


def note(job: Job, broker: Broker) -> str:
    """What holds a live job up and the command that mends it; empty where nothing does."""
    try:
        nodes = broker.presence.alive()
    except BrokerError as error:
        return str(error)
    if not nodes:
        return "no node is running. Start one with: farm up"
    reachable = {root for node in nodes if not node.paused for root in node.roots}
    absent = [root for root in job.roots if root not in reachable]
    return why_absent(absent[0], nodes) if absent else ""


def why_absent(root: str, nodes: Sequence[NodeReport]) -> str:
    """Why no running node reads the root, and what mends it."""
    for node in nodes:
        if node.paused:
            return f"{node.node} takes no work: {node.paused}"
        if root in node.away:
            return (
                f"the root '{root}' is away on {node.node}. Bring its disk or share back and the "
                f"job goes on, or on another box that has it: farm roots add {root} PATH"
            )
    if root == HOME_ROOT:  # every node has it and will report it in a moment
        return ""
    return (
        f"no running node has the root '{root}'. On a box that has it: farm roots add {root} PATH"
    )


def wait(
    job: Job, home: Home, broker: Broker, timeout_s: float | None, show: Callable[[Progress], None]
) -> Progress:
    """Follow a job until it ends. Raises RetryError when the time is up."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    pause_s = POLL_S[0]
    while True:
        now = progress(job, home, broker)
        show(now)
        if now.state.ended:
            return now
        if deadline is not None and time.monotonic() >= deadline:
            raise RetryError(
                f"{job.job_id}: not finished after {timeout_s:g} s: {now.ok + now.errors} of "
                f"{now.items} done. {now.note or 'Go on waiting with: farm wait ' + job.job_id}",
                code="timeout",
            )
        time.sleep(pause_s)
        pause_s = min(POLL_S[1], pause_s * 1.2)
        if now.eta_s:  # 0: only the reduce step is left, and nobody knows how long that takes
            pause_s = max(POLL_S[0], min(pause_s, now.eta_s / NEARER))


def make_report(
    job: Job, home: Home, broker: Broker, timeout_s: float | None, show: Callable[[Progress], None]
) -> None:
    """Wait for a job's report, and where the job has ended without one have it made.

    Its reduce step runs once more, on the lines that are there. Raises RejectError where it can
    have none, RetryError when the time is up.
    """
    broker.check()
    if progress(job, home, broker).state is State.DONE:
        home.jobs.unfinish(job.job_id)
        mend(job, home, broker)
    if job.rolling:  # it goes on until midnight
        await_report(job, home, timeout_s)
        return
    end = wait(job, home, broker, timeout_s, show)
    if end.state is not State.DONE:
        raise RejectError(
            f"{job.job_id}: is {end.state} and has no report. What there is of it: "
            f"farm results {job.job_id}"
        )
    if not home.jobs.report(job.job_id).exists():
        raise RejectError(f"{job.job_id}: its report could not be made. See the farm's logs.")


def await_report(job: Job, home: Home, timeout_s: float | None) -> None:
    """Wait for a rolling job's report. Raises RetryError when the time is up."""
    deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
    while not home.jobs.report(job.job_id).exists():
        if time.monotonic() >= deadline:
            raise RetryError(
                f"{job.job_id}: no report after {timeout_s:g} s. It is written once a minute while "
                f"pictures come. Try again: farm report {job.job_id}",
                code="timeout",
            )
        time.sleep(POLL_S[1])


def cancel(job: Job, home: Home, broker: Broker) -> Progress:
    """Stop a job for good; lines that are there stay. One that has ended stays as it is."""
    now = progress(job, home, broker)
    if now.state.ended:
        return now
    if job.rolling:
        raise RejectError(
            f"{job.job_id}: holds what is dropped today, and more may come. To take no more files, "
            "start the farm with: farm up --no-watch"
        )
    home.jobs.cancel(job.job_id)
    with suppress(BrokerError):  # away: the mark on storage stops the job when it is back
        broker.leases.forget(job.job_id)
    return progress(job, home, broker)


def retry(job: Job, home: Home, broker: Broker, only: Collection[int] | None = None) -> int:
    """Run a finished job's failed items once more, or those a rolling job has so far; returns how
    many. What a retry is at already is left to it. only: of these numbers; None: all.
    """
    broker.check()
    now = progress(job, home, broker)
    if now.state not in (State.DONE, State.FAILED) and not job.rolling:
        raise RejectError(
            f"{job.job_id}: is {now.state}, and only a finished job can be retried. "
            + (
                f"Wait for it: farm wait {job.job_id}"
                if not now.state.ended
                else "Submit it with --again."
            )
        )
    plan = home.jobs.plan(job)
    lines = merged(home.jobs, job.job_id, plan)
    begun = begun_again(plan, home.jobs.done_chunks(job.job_id))
    numbers = (item_number(line) for line in lines if is_error(line))
    failed = [i for i in numbers if i not in begun and (only is None or i in only)]
    if failed:
        rate, slots = broker.rates.of(job.recipe), broker.presence.slots()
        pace = sizes(rate, slots, job.recipe.chunk_items)
        home.jobs.extend_plan(job.job_id, plan_retry(plan, failed, pace))
        home.jobs.reopen(job.job_id)
        mend(job, home, broker)
    elif now.state is State.FAILED:
        home.jobs.reopen(job.job_id)
        mend(job, home, broker)
    return len(failed)


def failed_lines(job: Job, home: Home) -> Iterator[dict[str, Any]]:
    """The failed items of a job, in manifest order: code, message, attempts, node, excerpt."""
    known = failures_of(home.jobs.path(job.job_id))
    for line in map(parsed, filter(is_error, merged(home.jobs, job.job_id, home.jobs.plan(job)))):
        failure = known.get(line["i"], Failure(line["i"], 0, "", ""))
        yield {
            "job_id": job.job_id, "i": line["i"], "item": line["item"],
            **({"frame": line["frame"]} if "frame" in line else {}), **line["error"],
            "attempts": failure.attempts, "node": failure.node, "excerpt": failure.excerpt,
        }  # fmt: skip
