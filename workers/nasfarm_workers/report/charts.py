"""A reduce's tables to charts over time and by name, as plain SVG. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from nasfarm.core.reduced import Cell, Chart, Table
from nasfarm_workers.report.axes import HIGH, WIDE, Tip, colour, framed, scale
from nasfarm_workers.report.clocks import film_time, length, marks, moment, wall_s
from nasfarm_workers.report.html import Words, joined, said, same
from nasfarm_workers.report.labels import label
from nasfarm_workers.report.numbers import figure
from nasfarm_workers.report.words import NAMES, named

POINTS = 480
"""Of a line; of more, the highest of each few is drawn."""
TIPS = 120
BARS = 20
MARKS = 8
RARE = 0.6
"""Where more than this part of the values is nothing, each is drawn by itself."""
GAP = 4.0
"""A line is broken where the next value comes so many times later than they do as a rule."""


Point = tuple[float, float | None]
"""Where along the chart, 0..1, and the value; None: a gap."""


@dataclass(frozen=True, slots=True)
class Series:
    """Moments in seconds, ascending, and values; None where there is nothing to say."""

    words: Words
    values: tuple[tuple[float, float | None], ...]


def drawn(chart: Chart, table: Table, film_from_s: float | None = None) -> str:
    """A chart as HTML; empty where its table has nothing to draw.

    film_from_s: the moment that is the beginning of a video, by whose own time it is drawn.
    """
    if chart.kind == "bars":
        return _bars(chart, table)
    x = table.columns.index(chart.x)
    film = film_from_s is not None or all(isinstance(row[x], int | float) for row in table.rows)
    found = (_series(chart, table, y, film_from_s or 0.0) for y in chart.ys)
    series = [one for one in found if one.values]
    moments = [at_s for one in series for at_s, _ in one.values]
    if not series or min(moments) == max(moments):
        return ""
    return _lines(_title(chart), series, (min(moments), max(moments)), film=film)


def number(value: float) -> Words:
    """How a bar says its value, unless that is a time."""
    return same(figure(value))


def bars(
    title: Words,
    rows: Sequence[tuple[Words, Sequence[float]]],
    names: Sequence[Words] = (),
    in_words: Callable[[float], Words] = number,
    *,
    by_row: bool = True,
) -> str:
    """A group of bars for each row; names: of the bars of a group, where there are several.

    by_row: single bars have a colour each, that of the label or zone in the pictures.
    """
    most = max((value for _, values in rows for value in values), default=0) or 1
    legend = "".join(f'<li class="{colour(n)}">{said(name)}</li>' for n, name in enumerate(names))
    first = range(len(rows)) if by_row and len(names) < 2 else [0] * len(rows)
    groups = "".join(
        _group(
            words,
            [(colour(n + k), value / most, in_words(value)) for k, value in enumerate(values)],
        )
        for n, (words, values) in zip(first, rows, strict=True)
    )
    return (
        f'<figure class="chart"><figcaption><h2>{said(title)}</h2>'
        + (f'<ul class="legend">{legend}</ul>' if len(names) > 1 else "")
        + f'</figcaption><ol class="bars">{groups}</ol></figure>'
    )


def _group(words: Words, values: Sequence[tuple[str, float, Words]]) -> str:
    """values: the style's class, how long the bar is, 0..1, and what it says."""
    drawn_bars = "".join(
        '<span class="bar"><svg aria-hidden="true"><rect rx="2" height="100%" '
        f'width="{max(0.3, 100 * part) if part else 0:.2f}%" class="{kind}"/></svg>'
        f"<span>{said(told)}</span></span>"
        for kind, part, told in values
    )
    return f'<li><span class="name">{said(words)}</span><span>{drawn_bars}</span></li>'


def _bars(chart: Chart, table: Table) -> str:
    x, ys = table.columns.index(chart.x), [table.columns.index(y) for y in chart.ys]
    rows = [(_name(row[x]), [_number(row[y]) or 0.0 for y in ys]) for row in table.rows[:BARS]]
    in_words = length if set(chart.ys) == {"seconds"} else number
    return bars(_title(chart), rows, [named(y) for y in chart.ys], in_words) if rows else ""


def _name(value: Cell) -> Words:
    if isinstance(value, str):
        at_s = wall_s(value) if len(value) >= 16 else None
        return label(value) if at_s is None else moment(at_s)
    return same("–" if value is None else figure(value))


def _title(chart: Chart) -> Words:
    """A chart that has no name of its own is called by what it shows."""
    known = chart.name in NAMES or len(chart.ys) != 1
    return named(chart.name) if known else named(chart.ys[0])


def _series(chart: Chart, table: Table, y: str, from_s: float) -> Series:
    x, column = table.columns.index(chart.x), table.columns.index(y)
    found = ((_moment(row[x]), _number(row[column])) for row in table.rows)
    values = sorted(
        (at_s - from_s, value) for at_s, value in found if at_s is not None and value is not None
    )
    return Series(named(y), tuple(_thinned(values)))


def _thinned(values: list[tuple[float, float]]) -> list[tuple[float, float | None]]:
    """The highest of each few values, with a gap where nothing was seen for long."""
    each = -(-len(values) // POINTS)
    runs = [values[n : n + each] for n in range(0, len(values), max(1, each))]
    points = [max(run, key=lambda point: point[1]) for run in runs]
    if len(points) < 3:
        return [*points]
    usual_s = median(b[0] - a[0] for a, b in pairwise(points))
    found: list[tuple[float, float | None]] = [points[0]]
    for before, point in pairwise(points):
        if point[0] - before[0] > GAP * usual_s > 0:
            found.append((before[0], None))
        found.append(point)
    return found


def _lines(title: Words, series: Sequence[Series], ends: tuple[float, float], *, film: bool) -> str:
    first_s, last_s = ends
    numbers = [value for one in series for _, value in one.values if value is not None]
    top, ys = scale(max(numbers), whole=all(float(value).is_integer() for value in numbers))

    def place(at_s: float) -> float:
        return (at_s - first_s) / (last_s - first_s)

    rare = numbers.count(0.0) > RARE * len(numbers)  # lines would be needles
    draw = _stems if rare else _line
    drawing = "".join(
        draw([(place(at_s), v) for at_s, v in one.values], top, n, len(series))
        for n, one in enumerate(series)
    )
    xs = [(place(mark.at_s), mark) for mark in marks(first_s, last_s, MARKS, film=film)]
    legend = [(colour(n), one.words) for n, one in enumerate(series)]
    return framed(
        title, drawing, ys=ys, top=top, xs=xs, legend=legend, tips=_tips(series, ends, film=film)
    )


def _stems(points: Sequence[Point], top: float, n: int, series: int) -> str:
    """An upright stroke for each value, those of several series side by side."""
    aside = 4.0 * (n - (series - 1) / 2)
    path = "".join(
        f"M{WIDE * x + aside:.1f} {HIGH}V{HIGH - HIGH * value / top:.2f}"
        for x, value in points
        if value
    )
    return f'<path class="{colour(n)} stem" d="{path}"/>'


def _line(points: Sequence[Point], top: float, n: int, series: int) -> str:
    """A path for each stretch without a gap; a single point is a short dash."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, value in points:
        if value is None:
            stretches.append([])
        else:
            stretches[-1].append((WIDE * x, HIGH - HIGH * value / top))
    found, kind = "", colour(n)
    for stretch in filter(None, stretches):
        ends = stretch if len(stretch) > 1 else [stretch[0], (stretch[0][0] + 1, stretch[0][1])]
        path = "L".join(f"{x:.1f} {y:.2f}" for x, y in ends)
        left, right = ends[0][0], ends[-1][0]
        if series == 1:
            area = f"M{left:.1f} {HIGH}L{path}L{right:.1f} {HIGH}Z"
            found += f'<path class="{kind} area" d="{area}"/>'
        found += f'<path class="{kind} line" d="M{path}"/>'
    return found


def _tips(series: Sequence[Series], ends: tuple[float, float], *, film: bool) -> list[Tip]:
    """Along the chart, the highest of each series within the width of a tip."""
    first_s, last_s = ends
    width_s = (last_s - first_s) / TIPS
    known: dict[int, dict[int, tuple[float, float]]] = {}
    for n, one in enumerate(series):
        for at_s, value in one.values:
            column = min(TIPS - 1, int((at_s - first_s) / width_s))
            best = known.setdefault(column, {}).get(n)
            if value is not None and (best is None or value > best[1]):
                known[column][n] = (at_s, value)
    return [
        Tip(column / TIPS, 1 / TIPS, _tip_words(series, best, film=film))
        for column, best in sorted(known.items())
        if best
    ]


def _tip_words(
    series: Sequence[Series], best: dict[int, tuple[float, float]], *, film: bool
) -> Words:
    at_s = next(iter(best.values()))[0]
    when = film_time(at_s) if film else moment(at_s)
    values = [
        joined((series[n].words, same(figure(value)))) for n, (_, value) in sorted(best.items())
    ]
    return joined((when, joined(values, (", ", "，"))), (": ", "："))


def _moment(value: Cell) -> float | None:
    if isinstance(value, str):
        return wall_s(value)
    return None if value is None else float(value)


def _number(value: Cell) -> float | None:
    return float(value) if isinstance(value, int | float) else None
