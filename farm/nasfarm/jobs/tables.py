"""Tables of a job to CSV files in its folder `tables`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from nasfarm.core.reduced import Cell, Table
from nasfarm.jobs.export import MARK, cell
from nasfarm.storage.atomic import CANNOT_WRITE, storage_errors, write_file


def write_tables(folder: Path, tables: Iterable[Table]) -> None:
    """Write `<name>.csv` of each, in one step; the folder is made for the first.

    Raises StorageError.
    """
    for table in tables:
        with storage_errors(folder, CANNOT_WRITE):
            folder.mkdir(exist_ok=True)
        write_file(folder / f"{table.name}.csv", csv_of(table))


def csv_of(table: Table) -> bytes:
    """The table as CSV for a spreadsheet; nothing is an empty cell."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(map(_written, table.columns))
    rows.writerows(map(_written, row) for row in table.rows)
    return (MARK + text.getvalue()).encode()


def _written(value: Cell) -> Cell:
    return cell(value) if isinstance(value, str) else value
