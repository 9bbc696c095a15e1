"""A job's lines to stdout or a file, in the format that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from nasfarm.core import wire
from nasfarm.jobs.export import Exported, Lines, write_csv, write_jsonl
from nasfarm.jobs.export_boxes import write_coco, write_yolo
from nasfarm.jobs.vectors import write_npy
from nasfarm.storage.atomic import storage_errors, written


def document_of(lines: Iterator[dict[str, Any]]) -> None:
    """The lines as one JSON list, one by one: a million of them never sit in memory."""
    comma = "["
    for line in lines:
        click.echo(f"{comma}\n{wire.encode(line).decode()}", nl=False)
        comma = ","
    click.echo("\n]" if comma == "," else "[]")


def write(form: str, lines: Lines, labels: tuple[str, ...], output: Path | None) -> Exported:
    """Write a job's lines to `output`, which appears as a whole, or to stdout."""
    if form == "yolo":
        if output is None:
            raise click.UsageError("yolo writes a folder: name it with -o FOLDER")
        return write_yolo(lines, output, labels)
    plain = {"jsonl": write_jsonl, "csv": write_csv}.get(form)
    if output is None:
        out = sys.stdout.buffer
        return plain(lines, out) if plain else write_coco(lines, out, labels)
    with storage_errors(output), written(output) as out:
        return plain(lines, out) if plain else write_coco(lines, out, labels)


def write_vectors(found: Iterator[tuple[int, bytes]], items: int, output: Path | None) -> Exported:
    """Write a job's embeddings to `output`, which appears as a whole, or to stdout."""
    if output is None:
        if sys.stdout.isatty():
            raise click.UsageError("npy is not text: name a file with -o FILE.npy")
        return Exported(write_npy(found, items, sys.stdout.buffer), 0)
    with storage_errors(output), written(output) as out:
        return Exported(write_npy(found, items, out), 0)
