"""What a job says first and last: its title, its figures, and what was asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nasfarm.core.jobs import Job
from nasfarm.core.recipes import Shapes
from nasfarm.core.reduced import Fact
from nasfarm.core.words import amount
from nasfarm_workers.report import words
from nasfarm_workers.report.clocks import (
    DAY,
    clock,
    day,
    film_time,
    length,
    moment,
    stretch,
    wall_s,
)
from nasfarm_workers.report.html import Words, joined, said, same, shown
from nasfarm_workers.report.labels import label
from nasfarm_workers.report.numbers import figure, pictures, valued
from nasfarm_workers.report.survey import Survey
from nasfarm_workers.report.values import Report

_DOT = (" · ", " · ")
MOST_FIGURES = 8
"""Of more, those of zones, lines and labels stand in tables."""

Told = tuple[Words, Words]
"""A name and its value."""


def headline(report: Report) -> str:
    """What it is, of how much, and whether all of it was looked at."""
    summary, survey = report.summary, report.survey
    parts = [pictures(summary.items)]
    if survey.clock.items:
        parts.append(stretch(survey.clock.first_s, survey.clock.last_s))
    if survey.only_film:
        long = length(survey.film.last_s - survey.film.first_s)
        parts.append((f"{long[0]} of video", f"视频 {long[1]}"))
    return (
        f"<h1>{said(words.title_of(report.job.recipe.name))}</h1>"
        f'<p class="lede">{said(joined(parts, _DOT))}</p>{_outcome(report)}'
    )


def _outcome(report: Report) -> str:
    summary = report.summary
    if summary.errors:
        told: Words = (
            f"{summary.ok:,} were looked at, {summary.errors:,} failed.",
            f"已处理 {summary.ok:,} 张，失败 {summary.errors:,} 张。",
        )
        return f'<p class="bad">{said(told)} <a href="#failed">{said(words.FAILED)}</a></p>'
    return ""


def figures(report: Report) -> str:
    """The few numbers that people came for, large; those of zones, lines and labels below."""
    facts = report.summary.facts
    few = len(facts) <= MOST_FIGURES
    shown_facts = [_large(fact, report.survey) for fact in facts if few or not fact.of]
    parts = [] if few else [fact for fact in facts if fact.of]
    if not facts:
        shown_facts = list(_usual(report))
    large = "".join(
        f"<div><dt>{said(name)}</dt><dd>{said(value)}</dd></div>" for name, value in shown_facts
    )
    return (f'<dl class="figures">{large}</dl>' if large else "") + _tables(parts)


def _large(fact: Fact, survey: Survey) -> Told:
    """A fact for the figures; of a moment the time is large, and below its day where it may be
    another.
    """
    name = words.named(fact.name)
    if fact.of:
        name = joined((name, label(fact.of)), _DOT)
    at_s = wall_s(fact.value) if isinstance(fact.value, str) and len(fact.value) >= 16 else None
    if at_s is None:
        return name, valued(fact)
    if survey.film_from_s is not None:
        return name, film_time(at_s - survey.film_from_s)
    one_day = survey.clock.items and survey.clock.first_s // DAY == survey.clock.last_s // DAY
    return name if one_day else joined((name, day(at_s)), (", ", "，")), same(clock(at_s))


def _usual(report: Report) -> Iterator[Told]:
    """What can be said of any job."""
    survey, found = report.survey, report.summary.found
    if survey.texts:
        yield words.NAMES["texts"], same(figure(survey.texts))
    things = survey.things.total() - survey.texts
    if things:
        yield words.NAMES["found"], same(figure(things))
        yield words.NAMES["kinds"], same(figure(len(found)))
    if survey.things:
        share = 100 * survey.with_things / max(1, report.summary.ok)
        yield words.NAMES["with"], same(f"{share:.0f} %")
    elif report.summary.ok:
        yield words.PICTURES, same(figure(report.summary.ok))


def _tables(facts: Sequence[Fact]) -> str:
    """Facts of zones, of lines, of labels: a table for those that say the same things."""
    said_of: dict[str, dict[str, Fact]] = {}
    for fact in facts:
        said_of.setdefault(fact.of, {})[fact.name] = fact
    alike: dict[tuple[str, ...], list[str]] = {}
    for place, known in said_of.items():
        alike.setdefault(tuple(known), []).append(place)
    tables = "".join(_table(names, places, said_of) for names, places in alike.items())
    return f'<div class="facts">{tables}</div>' if tables else ""


def _table(
    names: Sequence[str], places: Sequence[str], known: Mapping[str, Mapping[str, Fact]]
) -> str:
    heads = "".join(f'<th scope="col" class="n">{said(words.named(name))}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{said(label(place))}</th>'
        + "".join(f'<td class="n">{said(valued(known[place][name]))}</td>' for name in names)
        + "</tr>"
        for place in places
    )
    return (
        '<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{shown(", ".join(places))}"><table>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def asked(report: Report) -> str:
    """What was asked for, with which models, and how fast it went."""
    rows = "".join(
        f"<div><dt>{said(name)}</dt><dd>{value}</dd></div>" for name, value in _rows(report)
    )
    return f'<dl class="asked">{rows}</dl>'


def _rows(report: Report) -> Iterator[tuple[Words, str]]:
    job, recipe = report.job, report.job.recipe
    yield words.RECIPE, f"<code>{shown(recipe.name)}</code>"
    values = ", ".join(f"<code>{shown(n)} = {shown(v)}</code>" for n, v in recipe.params.items())
    if values:
        yield words.VALUES, values
    for name, shapes in ((words.ZONES, recipe.zones), (words.LINES, recipe.lines)):
        if shapes:
            yield name, _shapes(shapes)
    models = ", ".join(f"<code>{shown(stage.model)}</code>" for stage in recipe.stages)
    if models:
        yield words.MODELS, models
    if report.images_per_s:
        number = figure(report.images_per_s)
        yield words.SPEED, said((f"{number} images/s", f"{number} 张/秒"))
    yield words.PICTURES, said(_handed_in(job, report.summary.items))
    if report.summary.times:
        told = [
            (words.SOURCES[source][0].format(f"{n:,}"), words.SOURCES[source][1].format(f"{n:,}"))
            for source, n in report.summary.times
            if source in words.SOURCES
        ]
        yield words.TIMES, said(joined(told, (", ", "，")))
    at_s = wall_s(job.created_at)
    if at_s is not None:
        yield words.HANDED_IN, said(joined((moment(at_s), same("UTC"))))
    yield words.JOB, f"<code>{shown(job.job_id)}</code>"


def _handed_in(job: Job, items: int) -> Words:
    parts = [pictures(items)]
    if job.watched:
        day = job.watched.day
        parts.append((f"dropped on {day}", f"{day} 投放"))
    elif job.bytes:
        parts.append(same(amount(job.bytes)))
    if job.roots:
        parts.append(same(", ".join(job.roots)))
    return joined(parts, _DOT)


def _shapes(shapes: Shapes) -> str:
    return ", ".join(
        f'{shown(name)} <span class="soft">({"; ".join(f"{x:g}, {y:g}" for x, y in points)})</span>'
        for name, points in shapes.items()
    )
