"""`farm results`: a job's lines in the format another program reads."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import say


@click.command()
@click.argument("job")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv", "coco", "yolo"]), default="jsonl",
    show_default=True, help="yolo writes a folder, the others one file.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File or folder to write.")
@click.pass_obj
def results(session: Session, job: str, form: str, output: Path | None) -> None:
    """Write what was found in the pictures of JOB, so far as it is done."""
    from nasfarm.jobs.export import write_csv, write_jsonl
    from nasfarm.jobs.export_boxes import write_coco, write_yolo
    from nasfarm.storage.atomic import storage_errors, written

    farm = session.farm()
    loaded = farm.job(job)

    def lines():  # type: ignore[no-untyped-def]
        return farm.lines(loaded)

    if form == "yolo":
        if output is None:
            raise click.UsageError("yolo writes a folder: name it with -o FOLDER")
        done = write_yolo(lines, output, farm.labels(loaded))
    else:
        write = {"jsonl": write_jsonl, "csv": write_csv}.get(form)
        if output is None:
            out = sys.stdout.buffer
            done = write(lines, out) if write else write_coco(lines, out, farm.labels(loaded))
        else:
            with storage_errors(output), written(output) as out:
                done = write(lines, out) if write else write_coco(lines, out, farm.labels(loaded))
    if output is not None:
        say(f"Wrote {done.items} pictures to {output}.")
    if done.left_out:
        say(f"{done.left_out} failed pictures have no place in {form}. See: farm failed {job}")
