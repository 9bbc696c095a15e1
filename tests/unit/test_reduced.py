"""What a reduce returns: what cannot be shown is refused, what can becomes CSV and a summary."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nasfarm.core.reduced import Chart, Reduced, Table
from nasfarm.errors import RejectError
from nasfarm.jobs.tables import write_tables
from nasfarm_workers.recipes.sound import check_reduced

HOURS = Table("hours", ("hour", "people"), (("2026-05-04T12", 3), ("2026-05-04T13", None)))


@pytest.mark.parametrize(
    ("reduced", "words"),
    [
        pytest.param({"facts": []}, "result: got .*wanted a nasfarm.core.reduced", id="a dict"),
        pytest.param(Reduced(tables=(HOURS, HOURS)), "table: got 'hours'", id="a name twice"),
        pytest.param(
            Reduced(tables=(Table("../up", ("a",), ()),)), "table: got '../up'", id="a path"
        ),
        pytest.param(
            Reduced(tables=(Table("a", ("x",), ((1,), (1, 2))),)),
            r"table 'a': got \(1, 2\), wanted rows of 1 values",
            id="a long row",
        ),
        pytest.param(
            Reduced(charts=(Chart("c", "time", "days", "day", ()),)),
            "table: got 'days'",
            id="table",
        ),
        pytest.param(
            Reduced(tables=(HOURS,), charts=(Chart("c", "pie", "hours", "hour", ()),)),
            "kind: got 'pie', wanted one of time, bars",
            id="kind",
        ),
        pytest.param(
            Reduced(tables=(HOURS,), charts=(Chart("c", "bars", "hours", "hour", ("cars",)),)),
            "column: got 'cars', wanted one of hour, people",
            id="column",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(reduced: object, words: str) -> None:
    with pytest.raises(RejectError, match=f"^here: .*{words}"):
        check_reduced(reduced, "here")


def test_a_table_becomes_a_csv_file_that_a_spreadsheet_opens_and_does_not_run(
    tmp_path: Path,
) -> None:
    odd = Table("odd", ("门口", "said"), ((1.5, "=1+1"), (-3, "a,b")))
    check_reduced(Reduced(tables=(HOURS, odd)), "here")
    write_tables(tmp_path / "tables", ())
    assert not (tmp_path / "tables").exists()
    write_tables(tmp_path / "tables", (HOURS, odd))
    rows = {}
    for path in (tmp_path / "tables").iterdir():
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows[path.name] = list(csv.reader(file))
    assert rows == {
        "hours.csv": [["hour", "people"], ["2026-05-04T12", "3"], ["2026-05-04T13", ""]],
        "odd.csv": [["门口", "said"], ["1.5", "'=1+1"], ["-3", "a,b"]],
    }
