"""What is known of a job to its report: an HTML page that runs nothing and asks nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nasfarm.core.reduced import Note
from nasfarm_workers.report import words
from nasfarm_workers.report.charts import drawn
from nasfarm_workers.report.gallery import colours_of, gallery
from nasfarm_workers.report.html import Words, said, shown
from nasfarm_workers.report.look import STYLE
from nasfarm_workers.report.scene import drawn_scene
from nasfarm_workers.report.tables import failures_html, table_html
from nasfarm_workers.report.tallies import found_chart, time_chart
from nasfarm_workers.report.told import asked, figures, headline
from nasfarm_workers.report.values import Report

CHINESE = "zh, zh-CN, zh-SG, zh-TW, zh-HK, zh-MO, zh-Hans, zh-Hant, zh-Hans-CN, zh-Hant-TW"


def page(report: Report) -> Iterator[str]:
    """The page, part by part."""
    yield _head(report.job.job_id)
    yield f"<main>{headline(report)}{figures(report)}{_notes(report.notes)}"
    yield from _scenes(report)
    charts = "".join(_charts(report))
    if charts:
        yield f'<section class="charts">{charts}</section>'
    colours = colours_of(name for name, _ in report.summary.found)
    if report.shots:
        yield _section("pictures", words.GALLERY, gallery(report.shots, colours))
    if report.reduced.tables:
        yield _section("tables", words.TABLES, "".join(map(table_html, report.reduced.tables)))
    if report.survey.failures:
        groups = report.survey.failures.values()
        yield _section("failed", words.FAILED, failures_html(groups, report.job.job_id))
    yield _section("asked", words.ASKED, asked(report))
    yield f"</main>{_foot(report.job.job_id)}</div></body></html>\n"


def _head(job_id: str) -> str:
    # The <set> is how the page learns which language is read without running anything: browsers
    # obey it only where their language is one of these.
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        # Without an icon browsers ask for one.
        f'<link rel="icon" href="data:,"><title>{shown(job_id)} · nasfarm</title>'
        f"<style>{STYLE}</style></head><body>"
        '<svg id="reader" width="0" height="0" aria-hidden="true">'
        f'<set attributeName="class" to="zh" systemLanguage="{CHINESE}"/></svg>'
        '<input type="radio" name="language" id="en" class="off" aria-label="English">'
        '<input type="radio" name="language" id="zh" class="off" aria-label="中文">'
        '<div class="page"><header><p class="brand">nasfarm</p><p class="languages">'
        '<label for="en" class="to-en">English</label>'
        '<label for="zh" class="to-zh">中文</label></p></header>'
    )


def _section(name: str, title: Words, inside: str) -> str:
    return f'<section id="{name}"><h2>{said(title)}</h2>{inside}</section>'


def _notes(notes: Iterable[Note | str]) -> str:
    told = "".join(f"<p>{said(words.noted(note))}</p>" for note in notes)
    return f'<aside class="notes">{told}</aside>' if told else ""


def _scenes(report: Report) -> Iterator[str]:
    heats = {heat.name: heat for heat in report.reduced.heats}
    for scene in report.scenes:
        yield drawn_scene(scene, report.job.recipe, heats.get(scene.heat))


def _charts(report: Report) -> Iterator[str]:
    """Those of the recipe's reduce, else what can be said of any job; by label in either case."""
    tables = {table.name: table for table in report.reduced.tables}
    from_s = report.survey.film_from_s
    own = [drawn(chart, tables[chart.table], from_s) for chart in report.reduced.charts]
    yield from own
    if not any(own):
        yield time_chart(report.survey)
    yield found_chart(report.summary.found, report.survey)


def _foot(job_id: str) -> str:
    told = said(("Every line, for a spreadsheet:", "每张图片的结果，导出为表格："))
    return f"<footer><p>{told} <code>farm results {shown(job_id)} -o found.csv</code></p></footer>"
