"""`farm status`: how far a job is, or the whole farm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, how_far, job_table, number_of, watch

if TYPE_CHECKING:
    from nasfarm.api import Farm
    from nasfarm.core.jobs import Progress
    from nasfarm.core.nodes import NodeReport


@click.command()
@click.argument("job", required=False)
@click.option("--watch", "watching", is_flag=True, help="Keep showing it; Ctrl-C ends.")
@as_json
@click.pass_obj
def status(session: Session, job: str | None, watching: bool, as_json: bool) -> None:
    """Show how far JOB is; without one, the jobs that are not finished and the nodes."""
    from nasfarm import follow, listing

    farm = session.farm()

    def show() -> None:
        if job is not None:
            one = follow.progress(farm.job(job), farm.home, farm.broker)
            document(one) if as_json else click.echo("\n".join(of_job(one)))
            return
        now = listing.unfinished(farm.home, farm.broker)
        nodes = farm.broker.presence.alive()
        if as_json:
            document({"jobs": now, "nodes": nodes})
            return
        if now:
            job_table(now)
        click.echo("\n".join(of_farm(farm, nodes, idle=not now)))

    watch(show) if watching else show()


def of_job(job: Progress) -> Iterator[str]:
    """What there is to say of one job."""
    from nasfarm.cli.waiting import outcome

    if job.state.ended:
        yield from outcome(job)
        return
    yield f"{job.job_id}: {job.state}, {how_far(job)}, {job.errors} failed"
    if job.note:
        yield job.note


def of_farm(farm: Farm, nodes: list[NodeReport], *, idle: bool) -> Iterator[str]:
    """What there is to say of the farm beside its jobs."""
    from nasfarm.drop_checks import look_at_drops

    if idle:
        yield "No job is waiting or running. Those that ended: farm jobs"
    slots = sum(len(node.slots) for node in nodes)
    yield f"{number_of(slots, 'slot')} on {number_of(len(nodes), 'node')}."
    for node in nodes:
        if node.use:
            yield f"{node.node}: {node.use}."
        if node.paused:
            yield f"{node.node} takes no work: {node.paused}"
    for check in look_at_drops(farm.settings, farm.home, lambda: farm.broker):
        if check.mend:
            yield f"{check.what} {check.where}: {check.found}. {check.mend}"
