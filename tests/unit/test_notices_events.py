"""Result lines and rules to events: what matches, when, what is said, and under which id."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasfarm.core.notice_events import (
    Event,
    Source,
    camera_folder,
    events_of,
    matched,
    path_of,
    shown_path,
)  # fmt: skip
from nasfarm.core.notices import NoticeRule, notice_rules
from nasfarm.core.ranges import end_of, minus, numbers_in, plus, ranges_of
from nasfarm.notices.payload import for_mqtt, for_webhook
from nasfarm.notices.pictures import link
from nasfarm.notices.receivers import Notice, Picture

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=8)))
TAKEN = "home:inbox/.taken/detect/2026-11-23/"


def line(i: int = 0, name: str = "cam/a.jpg", **fields: Any) -> dict[str, Any]:
    begun = {"i": i, "item": TAKEN + name, "status": "ok", "width": 100, "height": 200}
    return begun | {"model": "m@1/int8"} | fields


def thing(label: str = "person", score: float = 0.9, foot: tuple[float, float] = (50, 160)) -> Any:
    x, y = foot
    return {"label": label, "class_id": 0, "score": score, "box": [x - 10, y - 50, x + 10, y]}


def rule(when: dict[str, Any], **more: Any) -> NoticeRule:
    value = {"name": "door", "when": when, "webhook": "http://x"} | more
    return notice_rules([value], "here")[0]


def told(
    rules: list[NoticeRule], *lines: dict[str, Any], at: datetime = NOON, chunk: int = 0,
    cooled: dict[str, float] | None = None,
) -> tuple[list[Event], dict[str, float]]:  # fmt: skip
    source = Source("detect", "watch-detect-2026-11-23", chunk, at)
    return events_of(rules, lines, source, cooled or {})


SEEN = line(detections=[thing(), thing("dog", 0.5), thing("person", 0.4, (5, 20))])
LOWER_HALF = [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]
FAILED = {"i": 1, "item": TAKEN + "b.jpg", "status": "error",
          "error": {"code": "decode", "message": "no picture"}}  # fmt: skip


@pytest.mark.parametrize(
    ("when", "said", "matches"),
    [
        pytest.param({"label": "person"}, SEEN, True, id="a label"),
        pytest.param({"label": "PERSON"}, SEEN, True, id="in capitals"),
        pytest.param({"label": "cat"}, SEEN, False, id="another label"),
        pytest.param({"label": ["cat", "dog"]}, SEEN, True, id="one of two labels"),
        pytest.param({"label": "dog", "score": 0.6}, SEEN, False, id="too unsure"),
        pytest.param({"label": "dog", "score": 0.5}, SEEN, True, id="just sure enough"),
        pytest.param({"label": "person", "count": 2}, SEEN, True, id="two of them"),
        pytest.param({"label": "person", "count": 3}, SEEN, False, id="not three"),
        pytest.param({"count": 3}, SEEN, True, id="three things of any kind"),
        pytest.param({"label": "person", "count": 2, "zone": LOWER_HALF}, SEEN, False,
                     id="only one of them in the zone"),
        pytest.param({"label": "person", "zone": LOWER_HALF}, SEEN, True, id="one in the zone"),
        pytest.param({"label": "person"}, line(detections=[]), False, id="nothing there"),
        pytest.param({"label": "person"}, line(), False, id="no such field"),
        pytest.param({"label": "person"}, line(detections=[], faint=[thing(score=0.2)]), False,
                     id="only a faint one"),
        pytest.param({"label": "cat"}, line(classes=[{"label": "cat", "score": 0.7}]), True,
                     id="a class"),
        pytest.param({"label": "cat", "zone": LOWER_HALF},
                     line(classes=[{"label": "cat", "score": 0.7}]), False,
                     id="a class stands nowhere"),
        pytest.param({"text": "abc 12"}, line(texts=[{"text": "X ABC 123", "score": 0.9,
                     "polygon": [[0, 0], [9, 0], [9, 9], [0, 9]]}]), True, id="a part of a text"),
        pytest.param({"text": "abc", "zone": LOWER_HALF}, line(texts=[{"text": "ABC", "score": 0.9,
                     "polygon": [[0, 0], [9, 0], [9, 9], [0, 9]]}]), False, id="text elsewhere"),
        pytest.param({"verdict": "bad"}, line(verdict="bad"), True, id="the line's verdict"),
        pytest.param({"verdict": "bad"}, line(anomaly={"score": 3, "verdict": "bad"}), True,
                     id="an anomaly's verdict"),
        pytest.param({"verdict": "bad"},
                     line(parts=[{"name": "a", "verdict": "ok"}, {"name": "b", "verdict": "bad"}]),
                     True, id="a part's verdict"),
        pytest.param({"verdict": "bad"}, line(verdict="good"), False, id="another verdict"),
        pytest.param({"verdict": "bad", "label": "person"}, line(verdict="bad"), False,
                     id="verdict and label, but no thing"),
        pytest.param({"error": True}, FAILED, True, id="an error"),
        pytest.param({"error": True}, SEEN, False, id="no error"),
        pytest.param({"label": "person"}, FAILED, False, id="an error has no things"),
    ],
)  # fmt: skip
def test_everything_that_a_condition_says_must_hold(
    when: dict[str, Any], said: dict[str, Any], matches: bool
) -> None:
    assert (matched(rule(when).when, said) is not None) is matches


@pytest.mark.parametrize(
    ("foot", "inside"),
    [
        pytest.param((50, 160), True, id="in the middle"),
        pytest.param((50, 99), False, id="above"),
        pytest.param((50, 100), True, id="on the upper edge"),
        pytest.param((50, 200), True, id="cut off by the lower edge of the picture"),
        pytest.param((50, 203), True, id="a box that reaches out of the picture"),
        pytest.param((0, 200), True, id="in the corner"),
    ],
)
def test_a_thing_is_where_its_foot_is(foot: tuple[float, float], inside: bool) -> None:
    when = rule({"zone": LOWER_HALF}).when
    assert (matched(when, line(detections=[thing(foot=foot)])) is not None) is inside


# -- when --------------------------------------------------------------------------------------


def test_events_come_in_the_order_of_lines_and_then_of_rules() -> None:
    rules = [rule({"label": "person"}), rule({"label": "dog"}, name="dogs")]
    both = [thing(), thing("dog")]
    events, _ = told(rules, line(0, detections=both), line(1, detections=both))
    assert [(e.i, e.rule) for e in events] == [(0, "door"), (0, "dogs"), (1, "door"), (1, "dogs")]


def test_the_cooldown_silences_one_camera_and_one_rule_only() -> None:
    rules = [rule({"label": "person"}, cooldown_s=60), rule({"label": "person"}, name="all")]
    seen = {"detections": [thing()]}
    lines = [line(0, "a/1.jpg", **seen), line(1, "a/2.jpg", **seen), line(2, "b/1.jpg", **seen)]
    events, cooled = told(rules, *lines)
    assert [(e.i, e.rule) for e in events] == [(0, "door"), (0, "all"), (1, "all"), (2, "door"),
                                               (2, "all")]  # fmt: skip
    assert set(cooled) == {"door/a", "door/b"}


@pytest.mark.parametrize(
    ("after_s", "again"),
    [
        pytest.param(59, False, id="within it"),
        pytest.param(60, True, id="when it is over"),
        pytest.param(-30, False, id="a chunk of a moment earlier"),
        pytest.param(-86_400, True, id="a clock that was set back by a day"),
    ],
)
def test_the_cooldown_goes_on_in_the_next_chunk(after_s: int, again: bool) -> None:
    rules = [rule({"label": "person"}, cooldown_s=60)]
    seen = line(detections=[thing()])
    _, cooled = told(rules, seen)
    events, later = told(rules, seen, at=NOON + timedelta(seconds=after_s), chunk=1, cooled=cooled)
    assert bool(events) is again
    assert len(later) == 1


def test_a_cooldown_that_is_over_is_forgotten() -> None:
    rules = [rule({"label": "person"}, cooldown_s=60)]
    _, cooled = told(rules, line(detections=[thing()]))
    assert told(rules, line(detections=[]), at=NOON + timedelta(hours=1), cooled=cooled) == ([], {})


def test_in_quiet_hours_nothing_is_told_and_no_cooldown_begins() -> None:
    rules = [rule({"label": "person"}, cooldown_s=60, quiet="11:00-13:00")]
    assert told(rules, line(detections=[thing()])) == ([], {})


# -- what --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "said", "text"),
    [
        pytest.param({"label": "person"}, SEEN, "2 person in cam/a.jpg (0.90)", id="things"),
        pytest.param({"count": 1}, SEEN, "1 dog, 2 person in cam/a.jpg (0.90)", id="of two kinds"),
        pytest.param({"verdict": "bad"}, line(verdict="bad"), "bad in cam/a.jpg", id="a verdict"),
        pytest.param({"text": "abc"}, line(texts=[{"text": "ABC 1", "score": 0.8}]),
                     "1 “ABC 1” in cam/a.jpg (0.80)", id="a text"),
        pytest.param({"error": True}, FAILED, "decode: b.jpg: no picture", id="an error"),
        pytest.param({"label": "person"},
                     line(name="v.mp4", frame={"number": 25, "seconds": 1.0}, detections=[thing()]),
                     "1 person in v.mp4, frame 25 (0.90)", id="a frame"),
    ],
)  # fmt: skip
def test_an_event_says_in_a_sentence_what_was_found(
    when: dict[str, Any], said: dict[str, Any], text: str
) -> None:
    ((event,), _) = told([rule(when)], said)
    assert event.text == text


def test_an_id_is_the_same_each_time_and_differs_by_job_chunk_item_and_rule() -> None:
    rules = [rule({"label": "person"}), rule({"label": "person"}, name="other")]
    lines = [line(i, detections=[thing()]) for i in (0, 1)]
    first, _ = told(rules, *lines)
    later, _ = told(rules, *lines, at=NOON + timedelta(days=3))
    retried, _ = told(rules, *lines, chunk=7)
    assert [event.id for event in first] == [event.id for event in later]
    assert len({event.id for event in first + retried}) == 8
    assert all(len(event.id) == 32 for event in first)


@pytest.mark.parametrize(
    ("item", "path", "shown", "folder"),
    [
        pytest.param(TAKEN + "cam/in/a.jpg", "detect/2026-11-23/cam/in/a.jpg", "cam/in/a.jpg",
                     "cam/in", id="taken"),
        pytest.param(TAKEN + "a.jpg", "detect/2026-11-23/a.jpg", "a.jpg", "", id="in no folder"),
        pytest.param("home:inbox/detect/cam/a.jpg", "detect/cam/a.jpg", "cam/a.jpg", "cam",
                     id="left where it is"),
        pytest.param("photos:2026/a.jpg", "2026/a.jpg", "2026/a.jpg", "2026", id="another root"),
    ],
)  # fmt: skip
def test_a_camera_is_the_folder_below_the_recipe(
    item: str, path: str, shown: str, folder: str
) -> None:
    assert (str(path_of(item)), shown_path(item), camera_folder(item)) == (path, shown, folder)


def test_a_link_is_percent_encoded_whatever_the_name() -> None:
    own = rule({"label": "person"}, picture_url="http://nas/taken")
    assert link(own, TAKEN + "雨 100%25.jpg") == (
        "http://nas/taken/detect/2026-11-23/%E9%9B%A8%20100%25.jpg"
    )
    assert link(own, TAKEN + "caf%E9.jpg").endswith("/caf%E9.jpg")
    assert link(rule({"label": "person"}), TAKEN + "a.jpg") == ""


def test_a_webhook_carries_the_picture_and_an_mqtt_message_does_not() -> None:
    own = rule({"label": "person"}, attach_kb=1)
    ((event,), _) = told([own], line(taken_at="2026-11-23T11:59:58+08:00", detections=[thing()]))
    notice = Notice(event, own, "http://nas/a.jpg", Picture("a.jpg", "image/jpeg", b"\xff\xd8"))
    assert json.loads(for_webhook(notice)) == {
        "id": event.id,
        "recipe": "detect",
        "rule": "door",
        "job_id": "watch-detect-2026-11-23",
        "item": TAKEN + "cam/a.jpg",
        "i": 0,
        "text": "1 person in cam/a.jpg (0.90)",
        "found_at": "2026-11-23T12:00:00+08:00",
        "taken_at": "2026-11-23T11:59:58+08:00",
        "labels": {"person": 1},
        "score": 0.9,
        "count": 1,
        "picture": {
            "url": "http://nas/a.jpg", "name": "a.jpg", "type": "image/jpeg", "base64": "/9g=",
        },
    }  # fmt: skip
    message = json.loads(for_mqtt(notice))
    assert message["state"] == "ON"
    assert message["picture"] == {"url": "http://nas/a.jpg"}


# -- sets of chunk numbers ---------------------------------------------------------------------

NUMBERS = st.sets(st.integers(0, 30))


@given(NUMBERS, NUMBERS, st.integers(0, 30))
def test_ranges_do_what_sets_do(some: set[int], others: set[int], one: int) -> None:
    ranges = ranges_of(some)
    assert set(numbers_in(ranges)) == some
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ranges))
    assert minus(ranges, ranges_of(others)) == ranges_of(some - others)
    assert plus(ranges, one) == ranges_of(some | {one})
    assert end_of(ranges) == max(some, default=-1) + 1
