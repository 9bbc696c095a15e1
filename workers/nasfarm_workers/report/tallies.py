"""What any job has found to charts: by label, and over time. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from nasfarm_workers.report.axes import COLOURS, HIGH, WIDE, Tip, colour, framed, scale
from nasfarm_workers.report.bins import Step
from nasfarm_workers.report.charts import MARKS, bars
from nasfarm_workers.report.clocks import film_time, marks, moment, step_words
from nasfarm_workers.report.html import Words, joined, times_of
from nasfarm_workers.report.labels import label
from nasfarm_workers.report.numbers import pictures
from nasfarm_workers.report.survey import TEXTS, Survey
from nasfarm_workers.report.words import BY_CLASS, NAMES, OTHERS, OVER_TIME, TEXTS_READ

LABELS = 12
LEAST_STEPS = 3
"""Fewer columns say nothing of time."""


def found_chart(found: Sequence[tuple[str, int]], survey: Survey) -> str:
    """How often each label was found, the most frequent ones."""
    shown = [(label(name), [float(times)]) for name, times in found[:LABELS]]
    rest = sum(times for _, times in found[LABELS:])
    if rest:
        count = len(found) - LABELS
        others = (f"{count:,} {OTHERS[0]}", f"{OTHERS[1]} {count:,} 种")
        shown.append((others, [float(rest)]))
    title = TEXTS_READ if survey.only_texts else BY_CLASS
    return bars(title, shown, by_row=not survey.only_texts) if len(found) > 1 else ""


def time_chart(survey: Survey) -> str:
    """What was found in each step of time; the pictures themselves where nothing is counted."""
    film = survey.only_film
    bins = survey.film if film else survey.clock
    if not bins.items:
        return ""
    width_s, steps = bins.steps()
    if len(steps) < LEAST_STEPS:
        return ""
    ranked = sorted(survey.things, key=lambda name: (-survey.things[name], name))
    names = ranked[: COLOURS - 1]
    stacks = [_stack(step, names, by_label=bool(ranked)) for step in steps]
    top, ys = scale(max(map(sum, stacks)), whole=True)
    first_s, last_s = steps[0].start_s, steps[-1].start_s + width_s
    span_s = last_s - first_s
    xs = [
        ((mark.at_s - first_s) / span_s, mark)
        for mark in marks(first_s, last_s, MARKS, film=film)
        if (mark.at_s - first_s) / span_s < 0.985
    ]
    series = [_series_name(name) for name in names]
    legend = [(colour(n), words) for n, words in enumerate(series)]
    if len(ranked) > len(names):
        legend.append(("c0", OTHERS))
    drawing = _columns(stacks, steps, (first_s, span_s), width_s, top)
    tips = [
        Tip((step.start_s - first_s) / span_s, width_s / span_s, _tip(step, names, film=film))
        for step in steps
    ]
    each = step_words(width_s)
    note = (f"Each column holds {each[0]}.", f"每根柱代表 {each[1]}。")
    return framed(OVER_TIME, drawing, ys=ys, top=top, xs=xs, legend=legend, tips=tips, note=note)


def _stack(step: Step, names: Sequence[str], *, by_label: bool) -> list[int]:
    """From the ground up: each of the frequent labels, and all others."""
    if not by_label:
        return [step.items]
    known = [step.found[name] for name in names]
    return [*known, step.found.total() - sum(known)]


def _columns(
    stacks: Sequence[Sequence[int]],
    steps: Sequence[Step],
    ends: tuple[float, float],
    width_s: int,
    top: float,
) -> str:
    first_s, span_s = ends
    wide = WIDE * width_s / span_s
    gap = min(2.0, wide * 0.15)
    found = []
    for step, stack in zip(steps, stacks, strict=True):
        ground, x = float(HIGH), WIDE * (step.start_s - first_s) / span_s
        for n, value in enumerate(stack):
            high = HIGH * value / top
            ground -= high
            kind = colour(n) if n < COLOURS - 1 else "c0"
            if value:
                found.append(
                    f'<rect x="{x + gap / 2:.2f}" y="{ground:.2f}" width="{wide - gap:.2f}" '
                    f'height="{high:.2f}" class="{kind}"/>'
                )
    return "".join(found)


def _series_name(name: str) -> Words:
    return NAMES["texts"] if name == TEXTS else label(name)


def _tip(step: Step, names: Sequence[str], *, film: bool) -> Words:
    when = film_time(step.start_s) if film else moment(step.start_s)
    found = [times_of(step.found[name], _series_name(name)) for name in names if step.found[name]]
    return joined((when, joined((pictures(step.items), *found), (", ", "，"))), (": ", "："))
