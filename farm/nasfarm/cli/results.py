"""`farm results`: a job's lines, for a person or in the format another program reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import number_of, say, table

if TYPE_CHECKING:
    from nasfarm.jobs.export import Exported, Lines

ROWS = 200
"""A terminal shows so many pictures; all of them are in every format."""


@click.command()
@click.argument("job")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv", "coco", "yolo"]),
    help="For another program; yolo writes a folder, the others one file. Without it: a table on "
    "a terminal, elsewhere jsonl, or csv for a file that ends in .csv.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File or folder to write.")
@click.pass_obj
def results(session: Session, job: str, form: str | None, output: Path | None) -> None:
    """Show or write what was found in the pictures of JOB, so far as it is done."""
    farm = session.farm()
    loaded = farm.job(job)

    def lines() -> Iterator[dict[str, Any]]:
        return farm.lines(loaded)

    if form is None and output is None and sys.stdout.isatty():
        _show(job, lines, loaded.items)
        return
    form = form or ("csv" if output and output.suffix.lower() == ".csv" else "jsonl")
    done = _write(form, lines, farm.labels(loaded), output)
    if output is not None:
        say(f"Wrote {number_of(done.items, 'picture')} to {output}.")
    if done.left_out:
        failed = number_of(done.left_out, "failed picture")
        say(f"{failed} left out: {form} has no place for them. See: farm failed {job}")


def _show(job: str, lines: Lines, items: int) -> None:
    from nasfarm.cli.found import words

    table(
        ("picture", "what was found"),
        ((line["item"], words(line)) for line in islice(lines(), ROWS)),
    )
    if items > ROWS:
        say(f"… the first {ROWS} of {items} pictures.")
    say(f"As a file: farm results {job} -o found.csv   (or --format jsonl, coco, yolo)")


def _write(form: str, lines: Lines, labels: tuple[str, ...], output: Path | None) -> Exported:
    from nasfarm.jobs.export import write_csv, write_jsonl
    from nasfarm.jobs.export_boxes import write_coco, write_yolo
    from nasfarm.storage.atomic import storage_errors, written

    if form == "yolo":
        if output is None:
            raise click.UsageError("yolo writes a folder: name it with -o FOLDER")
        return write_yolo(lines, output, labels)
    write = {"jsonl": write_jsonl, "csv": write_csv}.get(form)
    if output is None:
        out = sys.stdout.buffer
        return write(lines, out) if write else write_coco(lines, out, labels)
    with storage_errors(output), written(output) as out:
        return write(lines, out) if write else write_coco(lines, out, labels)
