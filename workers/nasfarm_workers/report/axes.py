"""The frame of a chart: marks along both sides, a legend, and what a pointer is told. Pure.

The drawing is stretched to whatever width there is; words are HTML beside it and keep their size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nasfarm_workers.report.clocks import Mark
from nasfarm_workers.report.html import Words, said
from nasfarm_workers.report.numbers import figure

WIDE, HIGH = 1000, 100
"""Of the drawing, in its own units."""
COLOURS = 6
"""So many are told apart; what comes after them is grey."""


@dataclass(frozen=True, slots=True)
class Tip:
    """What is said where the pointer is: from `left` on, so wide; both 0..1."""

    left: float
    width: float
    words: Words


def colour(place: int) -> str:
    """The style's class for the series at this place, from 0."""
    return f"c{place + 1}" if place < COLOURS else "c0"


def scale(most: float, *, whole: bool) -> tuple[float, list[float]]:
    """The top of an axis from 0 on that holds `most`, and its marks: three to five round ones."""
    if most <= 0:
        return 1.0, [0.0, 1.0]
    rough = most / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= rough * 0.999)
    step = max(1.0, step) if whole else step
    steps = math.ceil(most / step - 1e-9)
    return steps * step, [n * step for n in range(steps + 1)]


def framed(
    title: Words,
    drawing: str,
    *,
    ys: Sequence[float],
    top: float,
    xs: Iterable[tuple[float, Mark]],
    legend: Sequence[tuple[str, Words]] = (),
    tips: Iterable[Tip] = (),
    note: Words = ("", ""),
) -> str:
    """A drawing with its frame. xs: where each mark stands, 0..1. legend: class and name."""
    grid = "".join(_grid(y, HIGH - HIGH * y / top) for y in ys)
    high = "".join(
        f'<span class="y" style="bottom:{100 * y / top:.2f}%">{figure(y)}</span>' for y in ys
    )
    along = "".join(
        f'<span class="x{" odd" if n % 2 else ""}" style="left:{100 * place:.2f}%">'
        f"{said(mark.words)}</span>"
        for n, (place, mark) in enumerate(xs)
    )
    names = "".join(f'<li class="{kind}">{said(words)}</li>' for kind, words in legend)
    return (
        f'<figure class="chart wide"><figcaption><h2>{said(title)}</h2>'
        + (f'<ul class="legend">{names}</ul>' if len(legend) > 1 else "")
        + (f'<p class="soft">{said(note)}</p>' if note[0] else "")
        + '</figcaption><div class="plot" aria-hidden="true">'
        f'<svg viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio="none">{grid}{drawing}</svg>'
        f"{high}{along}{''.join(map(_tip, tips))}</div></figure>"
    )


def _grid(value: float, y: float) -> str:
    kind = "grid" if value else "base"
    return f'<line x1="0" x2="{WIDE}" y1="{y:.2f}" y2="{y:.2f}" class="{kind}"/>'


def _tip(tip: Tip) -> str:
    side = ' class="late"' if tip.left + tip.width / 2 > 0.5 else ""
    return (
        f'<i style="left:{100 * tip.left:.2f}%;width:{100 * tip.width:.2f}%"><b{side}>'
        f"{said(tip.words)}</b></i>"
    )
