"""`farm results`: a job's lines, for a person or in the format another program reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, number_of, say, table

if TYPE_CHECKING:
    from nasfarm.jobs.export import Lines

ENDINGS = {".csv": "csv", ".npy": "npy"}
ROWS = 200
"""A terminal shows so many pictures; all of them are in every format."""


@click.command()
@click.argument("job")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv", "coco", "yolo", "npy"]),
    help="For another program; yolo writes a folder, the others one file. npy: the embeddings. "
    "Without it: a table on a terminal, elsewhere jsonl, or as a file's ending .csv or .npy says.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File or folder to write.")
@as_json
@click.pass_obj
def results(
    session: Session, job: str, form: str | None, output: Path | None, as_json: bool
) -> None:
    """Show or write what was found in the pictures of JOB, so far as it is done."""
    from nasfarm.cli.export import document_of, write, write_vectors

    farm = session.farm()
    loaded = farm.job(job)

    def lines() -> Iterator[dict[str, Any]]:
        return farm.lines(loaded)

    if as_json:
        document_of(lines())
        return
    if form is None and output is None and sys.stdout.isatty():
        _show(job, lines, loaded.items)
        return
    form = form or ENDINGS.get(output.suffix.lower() if output else "", "jsonl")
    if form == "npy":
        done = write_vectors(farm.vectors(loaded), loaded.items, output)
    else:
        done = write(form, lines, farm.labels(loaded), output)
    if output is not None:
        say(f"Wrote {number_of(done.items, 'picture')} to {output}.")
    if done.left_out:
        failed = number_of(done.left_out, "failed picture")
        say(f"{failed} left out: {form} has no place for them. See: farm failed {job}")


def _show(job: str, lines: Lines, items: int) -> None:
    from nasfarm.cli.found import name, words

    table(
        ("picture", "what was found"),
        ((name(line), words(line)) for line in islice(lines(), ROWS)),
    )
    if items > ROWS:
        say(f"… the first {ROWS} of {items} pictures.")
    say(f"As a file: farm results {job} -o found.csv   (or --format jsonl, coco, yolo)")
