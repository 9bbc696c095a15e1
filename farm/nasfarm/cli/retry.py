"""`farm retry`: run a finished job's failed pictures once more."""

from __future__ import annotations

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, number_of, say


@click.command()
@click.argument("job")
@click.option(
    "--failed", is_flag=True, help="Only the pictures that failed (that is what it does)."
)
@as_json
@click.pass_obj
def retry(session: Session, job: str, failed: bool, as_json: bool) -> None:
    """Run the pictures of JOB that failed once more."""
    from nasfarm import follow

    farm = session.farm()
    record = farm.job(job)
    count = follow.retry(record, farm.home, farm.broker)
    if as_json:
        document({"job_id": job, "items": count})
    elif count:
        how = "status" if record.rolling else "wait"  # which would wait until midnight
        say(f"{number_of(count, 'picture')} handed in again. Follow it: farm {how} {job}")
    else:
        say(f"There is nothing to run again: no picture of {job} failed, or it is run already.")
