"""Things in zones: in how many pictures they are, and where there are too many."""

from __future__ import annotations

from typing import Any

from nasfarm.core.reduced import Fact, Reduced
from nasfarm_workers.recipes.reduces import reduced_by
from nasfarm_workers.recipes.telling import MOST, Tellings
from reports import surveyed
from resultlines import failed, frames, recipe, still, thing

DOOR = {"door": ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))}
AT_DOOR, AWAY = thing(0.2, 0.5, "door"), thing(0.8, 0.5)


def rows(reduced: Reduced, name: str) -> tuple[tuple[Any, ...], ...]:
    [table] = [table for table in reduced.tables if table.name == name]
    assert all(len(row) == len(table.columns) for row in table.rows)
    return table.rows


def test_each_zone_says_in_how_many_pictures_and_how_many_at_most() -> None:
    lines = [
        still(0, AT_DOOR, AWAY),
        still(1),
        failed(2),
        still(3, AT_DOOR, AT_DOOR),
        still(4, AWAY),
    ]
    reduced = reduced_by(recipe("alerts", DOOR), lines)
    assert set(reduced.facts) == {
        Fact("seen_in", 3, "pictures"),
        Fact("most_at_once", 2),
        Fact("seen_in", 2, "pictures", "door"),
        Fact("most_at_once", 2, of="door"),
    }
    assert rows(reduced, "zones") == (("door", 2, 2),)


def test_without_zones_and_alerts_there_is_no_table() -> None:
    reduced = reduced_by(recipe("alerts"), [still(0, AWAY)])
    assert reduced.tables == ()
    assert reduced.facts == (Fact("seen_in", 1, "pictures"), Fact("most_at_once", 1))


def test_a_still_with_enough_things_in_the_zone_is_an_alert() -> None:
    lines = [
        still(0, AT_DOOR, AWAY),  # only one of them at the door
        still(1, AT_DOOR, AT_DOOR, at="2026-05-04T12:00:01"),
        still(2, AT_DOOR, AT_DOOR, AT_DOOR),
    ]
    reduced = reduced_by(recipe("alerts", DOOR, alert_count=2, alert_zone="door"), lines)
    assert rows(reduced, "alerts") == (
        ("photos:0001.jpg", None, "2026-05-04T12:00:01", "door", "person", 2, None),
        ("photos:0002.jpg", None, "", "door", "person", 3, None),
    )
    assert Fact("alerts", 2, of="door") in reduced.facts


def test_without_a_zone_alerts_count_the_whole_picture() -> None:
    reduced = reduced_by(recipe("alerts", DOOR, alert_count=2), [still(0, AT_DOOR, AWAY)])
    assert len(rows(reduced, "alerts")) == 1


def test_a_visit_in_a_video_is_one_alert_although_frames_miss_it() -> None:
    car = thing(0.2, 0.5, "door", label="car")
    shown = [[], [AT_DOOR], [], [AT_DOOR, car], [], [], [], [AT_DOOR]]
    reduced = reduced_by(recipe("alerts", DOOR, alert_count=1, alert_zone="door"), frames(*shown))
    assert rows(reduced, "alerts") == (
        ("photos:a.mp4", 1, "2026-05-04T12:00:01", "door", "car, person", 2, 2.0),
        ("photos:a.mp4", 7, "2026-05-04T12:00:07", "door", "person", 1, 0.0),
    )


def test_frames_that_follow_each_other_are_one_alert_however_far_apart() -> None:
    shown = [[AT_DOOR], [AT_DOOR], [], [AT_DOOR]]
    lines = frames(*shown, every_s=60)
    reduced = reduced_by(recipe("alerts", DOOR, alert_zone="door"), lines)  # one is enough then
    assert [row[6] for row in rows(reduced, "alerts")] == [60.0, 0.0]


def test_two_videos_are_two_alerts() -> None:
    lines = [*frames([AT_DOOR]), *frames([AT_DOOR], first=1, film="b.mp4")]
    assert len(rows(reduced_by(recipe("alerts", alert_count=1), lines), "alerts")) == 2


def test_alerts_are_more_telling_than_crowds_elsewhere() -> None:
    lines = [still(0, AWAY, AWAY, AWAY), still(1, AT_DOOR)]
    reduced = reduced_by(recipe("alerts", DOOR, alert_count=1, alert_zone="door"), lines)
    assert [(told.i, told.why) for told in reduced.telling] == [(1, "alert"), (0, "most")]


def test_of_the_same_moment_of_a_video_one_frame_is_shown() -> None:
    tellings = Tellings()
    shown = [[AT_DOOR] * count for count in (1, 3, 3, 2)]
    for line in frames(*shown, every_s=5):
        tellings.add(line, "most", len(line["detections"]))
    assert [told.i for told in tellings.best()] == [1, 2]


def test_of_very_many_pictures_the_best_are_kept_in_little_room() -> None:
    tellings = Tellings()
    for i in range(50_000):
        tellings.add({"i": i, "item": f"photos:{i}"}, "most", i * 7919 % 50_000)
        assert len(tellings.held) <= 1001
    assert [told.score for told in tellings.best()] == list(range(49_999, 49_999 - MOST, -1))


def test_what_looks_as_an_earlier_picture_is_not_shown_again() -> None:
    lines = [still(0, AT_DOOR), *(still(i, AT_DOOR) | {"inherited": 0} for i in range(1, 5))]
    assert [one.i for one in reduced_by(recipe("alerts", DOOR), lines).telling] == [0]
    survey, _ = surveyed([*lines, still(5, AWAY)])
    assert [one.i for one in survey.telling(24)] == [0, 5]
