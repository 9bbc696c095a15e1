"""What a reduce has returned to a refusal where it could not be written down. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from nasfarm.core.reduced import Chart, Heat, Reduced, Table
from nasfarm.errors import RejectError

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
KINDS = ("time", "bars")
"""What a chart may be."""


def check_reduced(reduced: object, place: str) -> None:
    """Raises RejectError, beginning with `place`, that names the table, chart or heat."""
    if not isinstance(reduced, Reduced):
        raise _refused(place, "result", reduced, "a nasfarm.core.reduced.Reduced")
    tables = {table.name: table for table in reduced.tables}
    for name, times in Counter(table.name for table in reduced.tables).items():
        if times > 1 or not _NAME.fullmatch(name):
            wanted = "a name of its own of small letters, digits, - and _"
            raise _refused(place, "table", name, wanted)
    for table in reduced.tables:
        _check_rows(table, place)
    for chart in reduced.charts:
        _check_chart(chart, tables, place)
    for heat in reduced.heats:
        _check_heat(heat, place)


def _check_rows(table: Table, place: str) -> None:
    width = len(table.columns)
    odd = next((row for row in table.rows if len(row) != width), None)
    if odd is not None:
        raise _refused(place, f"table '{table.name}'", odd, f"rows of {width} values")


def _check_chart(chart: Chart, tables: Mapping[str, Table], place: str) -> None:
    inner = f"{place}: chart '{chart.name}'"
    if chart.kind not in KINDS:
        raise _refused(inner, "kind", chart.kind, f"one of {', '.join(KINDS)}")
    if chart.table not in tables:
        raise _refused(inner, "table", chart.table, f"one of its tables: {', '.join(tables)}")
    columns = tables[chart.table].columns
    for column in (chart.x, *chart.ys):
        if column not in columns:
            raise _refused(inner, "column", column, f"one of {', '.join(columns)}")


def _check_heat(heat: Heat, place: str) -> None:
    if not _NAME.fullmatch(heat.name):  # it becomes a file's
        raise _refused(place, "heat", heat.name, "a name of small letters, digits, - and _")
    if len(heat.seconds) != heat.rows * heat.columns or not heat.seconds:
        wanted = f"{heat.rows} x {heat.columns} cells"
        raise _refused(f"{place}: heat '{heat.name}'", "seconds", len(heat.seconds), wanted)


def _refused(place: str, what: str, got: object, wanted: str) -> RejectError:
    return RejectError(f"{place}: {what}: got {got!r:.60}, wanted {wanted}", code="reduce")
