"""Views to sections of HTML, and two renderings to what has changed between them. Pure.

A section is a shell with rows, each with an id of its own, so that one row can be sent alone.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from tornado.escape import xhtml_escape
from tornado.template import Loader

from nasfarm.core.jobs import Progress, State
from nasfarm.core.words import how_far, number_of, rate
from nasfarm.web.views import JobView, NodeView, Overview, View

FOLDER = Path(__file__).parent
_ROWS = "\0"
"""Where a shell's rows go. No text that is shown has one: see `shown`."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page: what stands before and after its rows, and the rows by their ids."""

    before: str
    after: str
    rows: tuple[tuple[str, str], ...] = ()

    @property
    def html(self) -> str:
        return self.before + "".join(html for _, html in self.rows) + self.after


@dataclass(frozen=True)
class Rendered:
    """A view as HTML: sections by the ids of their elements."""

    title: str
    sections: Mapping[str, Section]

    @cached_property
    def version(self) -> str:
        """The same for the same content."""
        content = "\0".join(section.html for section in self.sections.values())
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def changes(before: Rendered | None, now: Rendered) -> dict[str, str]:
    """Id → new HTML of every element that has to be replaced."""
    found: dict[str, str] = {}
    for name, section in now.sections.items():
        old = before.sections.get(name) if before else None
        if old is None or not same_shape(old, section):
            found[name] = section.html
            continue
        had = dict(old.rows)
        found |= {row: html for row, html in section.rows if had[row] != html}
    return found


def same_shape(old: Section, new: Section) -> bool:
    """Whether at most the rows' contents differ."""
    return (
        old.before == new.before
        and old.after == new.after
        and [row for row, _ in old.rows] == [row for row, _ in new.rows]
    )


class Renderer:
    """Views to HTML by the templates beside this file."""

    def __init__(self) -> None:
        names = {
            "number_of": number_of, "how_far": how_far, "part": part,
            "shown": shown, "_tt_utf8": as_bytes, "rate": rate, "share": share,
            "picture_name": picture_name,
        }  # fmt: skip
        self._loader = Loader(str(FOLDER / "templates"), autoescape="shown", namespace=names)

    def page(self, template: str, **values: object) -> str:
        """A whole page."""
        return self._loader.load(f"{template}.html").generate(**values).decode()

    def view(self, view: View, *, acts: bool) -> Rendered:
        """The sections of a view. acts: its reader may steer, so there are buttons."""
        troubles = self._section("troubles", troubles=view.troubles)
        if isinstance(view, JobView):
            sections = self._job(view, acts)
        else:
            sections = self._overview(view, acts)
        return Rendered(view.title, {"troubles": troubles, **sections})

    def _overview(self, view: Overview, acts: bool) -> dict[str, Section]:
        jobs = ((f"job-{job.job_id}", self._html("job_row", job=job)) for job in view.jobs)
        nodes = (
            (f"node-{node.name}", self._html("node_row", node=node, acts=acts))
            for node in view.nodes
        )
        return {
            "totals": self._section("totals", now=totals(view.jobs, view.nodes)),
            "jobs": self._section(
                "jobs", jobs, more=view.more, page=view.page, empty=not view.jobs
            ),
            "nodes": self._section("nodes", nodes, empty=not view.nodes),
            "pictures": self._section("pictures", pictures=view.pictures, title="Last pictures"),
        }

    def _job(self, view: JobView, acts: bool) -> dict[str, Section]:
        failures = (
            (f"failure-{one.i}", self._html("failure_row", one=one, view=view, acts=acts))
            for one in view.failures
        )
        title = "Pictures with what was found"
        return {
            "head": self._section("job_head", job=view.progress, view=view),
            "failures": self._section("failures", failures, view=view, acts=acts),
            "pictures": self._section("pictures", pictures=view.pictures, title=title),
            "facts": self._section("facts", facts=view.facts),
        }

    def _section(
        self, template: str, rows: Iterable[tuple[str, str]] = (), **values: object
    ) -> Section:
        before, _, after = self._html(template, rows=_ROWS, **values).partition(_ROWS)
        return Section(before, after, tuple(rows))

    def _html(self, template: str, **values: object) -> str:
        return self._loader.load(f"parts/{template}.html").generate(**values).decode().strip()


@dataclass(frozen=True, slots=True)
class Totals:
    """What the first line says of the whole farm. per_s: images a second."""

    running: int
    queued: int
    per_s: float
    nodes: int
    slots: int


def totals(jobs: Iterable[Progress], nodes: Iterable[NodeView]) -> Totals:
    """Count the jobs at work and the nodes that are there."""
    open_jobs = [job for job in jobs if not job.state.ended]
    there = [node for node in nodes if node.report]
    return Totals(
        running=sum(job.state is State.RUNNING for job in open_jobs),
        queued=sum(job.state is State.QUEUED for job in open_jobs),
        per_s=sum(job.images_per_s or 0.0 for job in open_jobs if job.state is State.RUNNING),
        nodes=len(there),
        slots=sum(len(node.report.slots) for node in there if node.report),
    )


def shown(value: object) -> str:
    """Any text as HTML that shows it: no tags, no control characters, always UTF-8."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if not text.isprintable():
        text = "".join(letter if _plain(letter) else "\ufffd" for letter in text)
    return xhtml_escape(text)


def as_bytes(value: str | bytes) -> bytes:
    """What templates use in the place of Tornado's own, which breaks off at half letters."""
    return value if isinstance(value, bytes) else value.encode("utf-8", "replace")


def _plain(letter: str) -> bool:
    # Of the invisible ones the line break is meant; others turn text around or are half a letter.
    return letter.isprintable() or letter == "\n" or unicodedata.category(letter) == "Zs"


def part(name: str) -> str:
    """A file's name as a part of an address, whatever bytes it is made of."""
    return quote(os.fsencode(name), safe="")


def picture_name(name: str) -> str:
    """`000012-cat.jpg` → `cat`: what a drawn picture is of."""
    return name.partition("-")[2].removesuffix(".jpg") or name


def share(done: int, items: int) -> str:
    """`37 %`, and 100 % only when all is done."""
    return f"{100 * done // max(1, items)} %"
