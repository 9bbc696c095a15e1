"""`farm status`: how far a job is, or the whole farm."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, duration, job_table, say, watch


@click.command()
@click.argument("job", required=False)
@click.option("--watch", "watching", is_flag=True, help="Keep showing it; Ctrl-C ends.")
@as_json
@click.pass_obj
def status(session: Session, job: str | None, watching: bool, as_json: bool) -> None:
    """Show how far JOB is; without one, the jobs that are not finished and the nodes."""
    from nasfarm import follow

    farm = session.farm()

    def show() -> None:
        if job is None:
            now = [each for each in follow.jobs(farm.home, farm.broker) if not each.state.ended]
            nodes = farm.broker.presence.alive()
            if as_json:
                document({"jobs": now, "nodes": nodes})
                return
            job_table(now)
            say(f"{sum(len(node.slots) for node in nodes)} slots on {len(nodes)} node(s).")
            return
        one = follow.progress(farm.job(job), farm.home, farm.broker)
        if as_json:
            document(one)
            return
        click.echo(f"{one.job_id}: {one.state}, {one.ok} ok, {one.errors} failed of {one.items}")
        if one.images_per_s:
            click.echo(f"{one.images_per_s:g} images/s, {duration(one.eta_s)} left")
        if one.note:
            click.echo(one.note)

    watch(show) if watching else show()
