"""A reduce's tables, and failures by their reason, to HTML that stays small. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nasfarm.core.reduced import Table
from nasfarm_workers.report.html import Words, said, shown
from nasfarm_workers.report.numbers import cell, pictures
from nasfarm_workers.report.survey import Failures
from nasfarm_workers.report.words import FAULTS, named

ROWS = 100
OPEN_ROWS = 8
"""A table of no more rows is open from the start."""
OPEN_NAMES = 20


def table_html(table: Table) -> str:
    """The first rows; the rest is in the CSV file beside the report."""
    count = len(table.rows)
    rows = (f"{count:,} row{'s' * (count != 1)}", f"{count:,} 行")
    file = f"tables/{table.name}.csv"
    more = said(
        (f"The first {ROWS} of {count:,} rows. ", f"前 {ROWS} 行，共 {count:,} 行。")
    ) if count > ROWS else ""  # fmt: skip
    return (
        f"<details{' open' if count <= OPEN_ROWS else ''}><summary>{said(named(table.name))} "
        f'<span class="soft">{said(rows)}</span></summary>'
        f'{_rows(table)}<p class="soft">{more}{said(("As a file", "文件"))}: '
        f'<a href="{shown(file)}" download>{shown(file)}</a></p></details>'
    )


def _rows(table: Table) -> str:
    numbers = [
        all(isinstance(row[n], int | float | None) for row in table.rows[:ROWS])
        for n in range(len(table.columns))
    ]
    kinds = [' class="n"' if number else "" for number in numbers]
    heads = "".join(
        f'<th scope="col"{kind}>{said(named(name))}</th>'
        for name, kind in zip(table.columns, kinds, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{shown(cell(value))}</td>" for value, kind in zip(row, kinds, strict=True)
        )
        + "</tr>"
        for row in table.rows[:ROWS]
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{shown(table.name)}"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def failures_html(groups: Iterable[Failures], job_id: str) -> str:
    """Each reason with its items, the most frequent first."""
    ranked = sorted(groups, key=lambda group: (-group.count, group.code, group.reason))
    return "".join(_group(group, job_id) for group in ranked)


def _group(group: Failures, job_id: str) -> str:
    why = FAULTS.get(group.code) or named(group.code)
    reason = f'<span class="reason"><bdi>{shown(group.reason)}</bdi></span>' if group.reason else ""
    hidden = group.count - len(group.names)
    rest = _rest(hidden, job_id) if hidden else ""
    return (
        f"<details{' open' if group.count <= OPEN_NAMES else ''}><summary>{said(why)} "
        f'<span class="soft">{said(pictures(group.count))}</span>{reason}</summary>'
        f"{_names(group.names)}{rest}</details>"
    )


def _rest(hidden: int, job_id: str) -> str:
    words: Words = (f"and {hidden:,} more; all of them: ", f"另有 {hidden:,} 张；查看全部：")
    command = f"farm failed {job_id} --limit 1000000"
    return f'<p class="soft">{said(words)}<code>{shown(command)}</code></p>'


def _names(names: Sequence[str]) -> str:
    """The names by folder, so that each folder is said once."""
    folders: dict[str, list[str]] = {}
    for name in names:
        cut = max(name.rfind("/"), name.find(":")) + 1
        folders.setdefault(name[:cut], []).append(name[cut:])
    items = "".join(
        f'<li><span class="soft"><bdi>{shown(folder)}</bdi></span> '
        + ", ".join(f"<bdi>{shown(name)}</bdi>" for name in inside)
        + "</li>"
        for folder, inside in folders.items()
    )
    return f'<ul class="files">{items}</ul>'
