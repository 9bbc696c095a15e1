"""Views to HTML: whatever a file is called stays text, and only what changed is told."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from nasfarm.core.jobs import Progress, State
from nasfarm.core.nodes import Hold, NodeReport, Slot
from nasfarm.web.fragments import Renderer, changes, part, shown
from nasfarm.web.views import (
    FailureView,
    JobView,
    NodeView,
    Overview,
    PictureView,
    Trouble,
    nodes_of,
)

RENDERER = Renderer()
RUNNING = Progress("detect-1", State.RUNNING, 100, 40, 2, 10, 4, 8.5, 7.0)
DONE = Progress("detect-0", State.DONE, 5, 5, 0, 1, 1, 12.0)
REPORT = NodeReport("nas", "b", "0.1", 7, ("home", "photos"), ("videos",),
                    (Slot(0, (0,), 11, "ready"), Slot(1, (1,), 12, "ready")))  # fmt: skip
NODE = NodeView("nas", "works", report=REPORT)
HOSTILE = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)",
           "&lt;b&gt;", "{{ 1 + 1 }}", "a\u202egpj.exe", "a\0b", "\udcff\udc80.jpg"]  # fmt: skip


class Tags(HTMLParser):
    """Every tag and attribute of a page, and its ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]


def html_of(view: Overview | JobView, acts: bool = True) -> str:
    return "".join(each.html for each in RENDERER.view(view, acts=acts).sections.values())


def hostile_job(name: str) -> JobView:
    failure = FailureView(3, name, name, name, 2, name, name, again=False)
    return JobView("detect-1", (Trouble(name, name, name),), replace(RUNNING, note=name),
                   ((name, name),), (failure,), retry=True,
                   pictures=(PictureView("detect-1", name + ".jpg"),))  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_text(name: str) -> None:
    report = replace(REPORT, roots=(name,), away=(name,), placement=name,
                     slots=(Slot(0, (0,), 1, name, name),))  # fmt: skip
    overview = Overview(
        (), (replace(DONE, note=name),), 0, (NodeView("nas", "paused", name, "", report),)
    )
    for hostile, plain in [
        (hostile_job(name), hostile_job("harmless")),
        (
            overview,
            Overview(
                (), (replace(DONE, note="n"),), 0, (NodeView("nas", "paused", "n", "", REPORT),)
            ),
        ),
    ]:
        html = html_of(hostile)
        html.encode()  # no half letters
        assert "\0" not in html and "\u202e" not in html
        found, wanted = Tags(html), Tags(html_of(plain))
        assert found.tags <= wanted.tags
        assert found.attributes <= wanted.attributes


def test_text_is_shown_as_it_is_where_it_is_harmless() -> None:
    assert shown("照片 é.jpg") == "照片 é.jpg"
    assert shown("a < b\nc") == "a &lt; b\nc"


def test_an_address_takes_any_file_name() -> None:
    assert part("a b/ü\udcff?.jpg") == "a%20b%2F%C3%BC%FF%3F.jpg"


def test_every_id_is_given_once() -> None:
    for html in (html_of(Overview((), (RUNNING, DONE), 3, (NODE,))), html_of(hostile_job("a"))):
        ids = Tags(html).ids
        assert sorted(ids) == sorted(set(ids))


def test_only_what_changed_is_told() -> None:
    before = RENDERER.view(Overview((), (RUNNING, DONE), 0, (NODE,)), acts=True)
    same = RENDERER.view(Overview((), (RUNNING, DONE), 0, (NODE,)), acts=True)
    assert changes(before, same) == {} and before.version == same.version
    further = replace(RUNNING, ok=50, images_per_s=8.5)
    now = RENDERER.view(Overview((), (further, DONE), 0, (NODE,)), acts=True)
    assert [*changes(before, now)] == ["job-detect-1"]
    assert 'value="52"' in changes(before, now)["job-detect-1"]
    assert before.version != now.version


def test_a_row_more_or_in_another_order_replaces_the_list() -> None:
    before = RENDERER.view(Overview((), (DONE,), 0, (NODE,)), acts=True)
    now = RENDERER.view(Overview((), (RUNNING, DONE), 0, (NODE,)), acts=True)
    assert [*changes(before, now)] == ["totals", "jobs"]
    assert "detect-1" in changes(before, now)["jobs"]
    assert set(changes(None, now)) == set(now.sections)


def test_what_a_section_is_replaced_by_has_the_same_id() -> None:
    now = RENDERER.view(Overview((), (RUNNING,), 0, (NODE,)), acts=True)
    for name, section in now.sections.items():
        assert Tags(section.html).ids[0] == name
        for row, html in section.rows:
            assert Tags(html).ids[0] == row


def test_whoever_only_reads_gets_no_buttons() -> None:
    for view in (Overview((), (RUNNING,), 0, (NODE,)), hostile_job("a")):
        assert "<button" in html_of(view)
        assert "<button" not in html_of(view, acts=False)


# -- nodes in a word ---------------------------------------------------------------------------

PAUSE, DRAIN = Hold("pause", 0, "paused by hand"), Hold("drain", 0, "drained by hand")
AWAY = Hold("storage", 0, "the home is full")


@pytest.mark.parametrize(
    ("held", "asked", "at_work", "state"),
    [
        ((), None, 2, "works"), ((PAUSE,), PAUSE, 0, "paused"), ((), PAUSE, 2, "paused"),
        ((DRAIN,), DRAIN, 1, "draining"), ((DRAIN,), DRAIN, 0, "drained"),
        ((), DRAIN, 2, "draining"), ((AWAY,), None, 0, "paused"),
        ((AWAY, DRAIN), DRAIN, 0, "paused"),
    ],
)  # fmt: skip
def test_a_node_in_a_word(
    held: tuple[Hold, ...], asked: Hold | None, at_work: int, state: str
) -> None:
    report = replace(REPORT, held=held, paused=" ".join(hold.text for hold in held))
    said = {"nas": asked} if asked else {}
    (node,) = nodes_of([report], {"nas"}, said, {"nas": at_work})
    assert node.state == state
    assert bool(node.why) == (state not in ("works",))


def test_a_node_that_went_without_a_word_or_is_held_is_shown_too() -> None:
    gone, held = nodes_of([], {"gone"}, {"held": PAUSE}, {})
    assert (gone.state, held.state, held.asked) == ("away", "away", "pause")
    assert "without a word" in gone.why and held.why == PAUSE.text


def test_a_slot_that_does_not_come_up_is_named() -> None:
    report = replace(REPORT, slots=(Slot(0, (0,), 0, "restarting", "it died"),))
    (node,) = nodes_of([report], (), {}, {})
    assert node.state == "starting"
    assert node.waiting == ["slot 0 is restarting: it died"]
