"""`farm status`: how far a job is, or the whole farm."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, how_far, job_table, number_of, watch


@click.command()
@click.argument("job", required=False)
@click.option("--watch", "watching", is_flag=True, help="Keep showing it; Ctrl-C ends.")
@as_json
@click.pass_obj
def status(session: Session, job: str | None, watching: bool, as_json: bool) -> None:
    """Show how far JOB is; without one, the jobs that are not finished and the nodes."""
    from nasfarm import follow
    from nasfarm.cli.waiting import outcome

    farm = session.farm()

    def show() -> None:
        if job is None:
            now = [each for each in follow.jobs(farm.home, farm.broker) if not each.state.ended]
            nodes = farm.broker.presence.alive()
            if as_json:
                document({"jobs": now, "nodes": nodes})
                return
            if now:
                job_table(now)
            else:
                click.echo("No job is waiting or running. Those that ended: farm jobs")
            slots = sum(len(node.slots) for node in nodes)
            click.echo(f"{number_of(slots, 'slot')} on {number_of(len(nodes), 'node')}.")
            return
        one = follow.progress(farm.job(job), farm.home, farm.broker)
        if as_json:
            document(one)
            return
        if one.state.ended:
            click.echo("\n".join(outcome(one)))
            return
        click.echo(f"{one.job_id}: {one.state}, {how_far(one)}, {one.errors} failed")
        if one.note:
            click.echo(one.note)

    watch(show) if watching else show()
