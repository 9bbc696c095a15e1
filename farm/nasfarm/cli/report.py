"""`farm report`: where a job's page is; one that is missing is made."""

from __future__ import annotations

import webbrowser

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import Follower, as_json, document, say, timeout


@click.command()
@click.argument("job")
@click.option("--open", "opens", is_flag=True, help="Show it in this machine's browser.")
@timeout
@as_json
@click.pass_obj
def report(session: Session, job: str, opens: bool, timeout: float | None, as_json: bool) -> None:
    """Say where the report of JOB is: one page with pictures, charts and what failed.

    It is made when a job ends; where there is none yet, the farm is asked for it.
    """
    from nasfarm import follow

    farm = session.farm()
    loaded = farm.job(job)
    path = farm.home.jobs.report(job)
    made = not path.exists()
    if made:
        follow.make_report(loaded, farm.home, farm.broker, timeout, Follower(quiet=as_json))
    if as_json:
        document({"job_id": job, "path": str(path), "made": made})
    else:
        click.echo(path)
    if opens and not webbrowser.open(path.as_uri()):
        say("There is no browser on this machine. Open the file in one elsewhere.")
