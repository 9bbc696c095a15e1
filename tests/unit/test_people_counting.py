"""Counting people and vehicles: how many, where, when, and over which line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from nasfarm.core.recipes import Point, ResolvedRecipe
from nasfarm.core.reduced import Note, Reduced, Table
from nasfarm_workers.recipes.reduces import reduced_by
from resultlines import failed, frames, recipe, still, thing

HALF = ((0.5, 0.0), (0.5, 1.0))
"""A line from the top down: inwards is to the right."""
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
LOW = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))

AT = "2026-05-04T12:00:00"
PEOPLE = recipe("people_count", lines={"gate": HALF}, labels="person")


def seen(*places: Point, label: str = "person") -> list[dict[str, Any]]:
    return [thing(x, y, label=label) for x, y in places]


def path(*corners: float, step: float = 0.02) -> list[float]:
    """From one x to the next, in even steps."""
    places = [corners[0]]
    for goal in corners[1:]:
        count = max(1, round(abs(goal - places[-1]) / step))
        start = places[-1]
        places += [start + (goal - start) * n / count for n in range(1, count + 1)]
    return places


def walked(xs: Iterable[float], y: float = 0.6, every_s: float = 0.2) -> list[dict[str, Any]]:
    return list(frames(*(seen((x, y)) for x in xs), every_s=every_s))


def said(reduced: Reduced) -> dict[tuple[str, str], Any]:
    return {(fact.name, fact.of): fact.value for fact in reduced.facts}


def ways(lines: Iterable[dict[str, Any]], by: ResolvedRecipe = PEOPLE) -> tuple[int, int]:
    """How many crossed the gate inwards, and outwards."""
    facts = said(reduced_by(by, lines))
    return facts["people_in", "gate"], facts["people_out", "gate"]


def table(reduced: Reduced, name: str) -> Table:
    return next(table for table in reduced.tables if table.name == name)


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        pytest.param((0.2, 0.8), (1, 0), id="in"),
        pytest.param((0.8, 0.2), (0, 1), id="out"),
        pytest.param((0.2, 0.8, 0.2), (1, 1), id="there-and-back"),
        pytest.param((0.2, 0.48, 0.2), (0, 0), id="turned-before-it"),
        pytest.param((0.2, 0.5, 0.2), (0, 0), id="turned-on-it"),
    ],
)
def test_a_line_is_crossed_by_who_gets_to_its_other_side(
    corners: Sequence[float], expected: tuple[int, int]
) -> None:
    assert ways(walked(path(*corners))) == expected


def test_who_waits_on_a_line_crosses_it_once_when_he_goes_on() -> None:
    waiting = [0.503 if n % 2 else 0.497 for n in range(40)]
    assert ways(walked([*path(0.2, 0.49), *waiting, *path(0.51, 0.8)])) == (1, 0)
    assert ways(walked([*path(0.2, 0.49), *waiting, *path(0.49, 0.2)])) == (0, 0)


def test_who_passes_beyond_the_lines_end_does_not_cross_it() -> None:
    short = recipe("people_count", lines={"gate": ((0.5, 0.0), (0.5, 0.4))})
    assert ways(walked(path(0.2, 0.8), y=0.6), short) == (0, 0)
    assert ways(walked(path(0.2, 0.8), y=0.3), short) == (1, 0)


def test_who_is_not_seen_on_the_line_has_crossed_it_all_the_same() -> None:
    hidden = walked(path(0.2, 0.8))
    for line in hidden:
        if 0.44 < line["detections"][0]["box"][0] / 200 < 0.54:
            line["detections"] = []
    assert ways(hidden) == (1, 0)


def test_a_faint_box_carries_somebody_over_the_line_and_is_not_somebody() -> None:
    lines = walked(path(0.2, 0.8, step=0.01), every_s=0.5)  # 30 s, the middle half of it faint
    for line in lines[15:45]:
        line |= {"detections": [], "faint": line["detections"]}
    assert ways(lines) == (1, 0)
    faint = [line | {"detections": [], "faint": seen((0.3, 0.6))} for line in lines]
    facts = said(reduced_by(PEOPLE, faint))
    assert (facts["people_peak", ""], facts["people_mean", ""]) == (0, 0.0)


def test_two_who_pass_each_other_on_the_line_count_one_each_way() -> None:
    xs = path(0.2, 0.8)
    both = frames(*(seen((x, 0.6), (1 - x, 0.63)) for x in xs), every_s=0.2)
    reduced = reduced_by(PEOPLE, both)
    assert said(reduced)["people_followed", "person"] == 2
    assert [row[5] for row in table(reduced, "crossings").rows] in (["in", "out"], ["out", "in"])


def test_a_crossing_says_when_where_and_which_way() -> None:
    rows = table(reduced_by(PEOPLE, walked(path(0.2, 0.8), every_s=1.0)), "crossings").rows
    # 0.52 is the first step clear of the line: the seventeenth, shown after 16 s.
    assert rows == (("2026-05-04T12:00:16", 16, "photos:a.mp4", 16, "gate", "in", "person"),)


def test_stills_are_counted_by_zone_and_over_time() -> None:
    by = recipe("people_count", zones={"left": LEFT, "low": LOW}, labels="person")
    crowd = seen((0.2, 0.2), (0.3, 0.8), (0.8, 0.8))
    dog = seen((0.2, 0.2), label="dog")
    lines = [
        still(0, *crowd, at="2026-05-04T12:00:00"),
        failed(1),
        still(2, *crowd[1:], *dog, at="2026-05-04T13:00:00"),
        still(3, at="2026-05-04T14:00:00"),
    ]
    reduced = reduced_by(by, lines)
    assert said(reduced) == {
        ("people_mean", ""): 1.67,
        ("people_peak", ""): 3,
        ("people_peak_at", ""): "2026-05-04T12:00:00",
        ("people_mean", "left"): 1.0,
        ("people_peak", "left"): 2,
        ("people_mean", "low"): 1.33,
        ("people_peak", "low"): 2,
    }
    counts = table(reduced, "counts")
    assert counts.columns[:6] == ("time", "pictures", "mean", "most", "left mean", "left most")
    assert counts.rows[:2] == (
        ("2026-05-04T12:00:00", 1, 3.0, 3, 2.0, 2, 2.0, 2),
        ("2026-05-04T13:00:00", 1, 2.0, 2, 1.0, 1, 2.0, 2),
    )
    assert [chart.name for chart in reduced.charts] == ["people", "zones"]
    assert [(telling.i, telling.score) for telling in reduced.telling] == [(0, 3), (2, 2)]


def test_however_many_pictures_the_table_stays_short() -> None:
    one = still(0, *seen((0.2, 0.2)), at="2026-05-04T12:00:00")
    times = (f"2026-05-{4 + i // 1440:02d}T{i // 60 % 24:02d}:{i % 60:02d}:00" for i in range(5000))
    lines = (one | {"i": i, "taken_at": time} for i, time in enumerate(times))
    rows = table(reduced_by(PEOPLE, lines), "counts").rows
    assert len(rows) == 1000
    assert {row[1:4] for row in rows} == {(5, 1.0, 1)}


def test_each_camera_has_a_row_where_there_are_several() -> None:
    shop = list(frames(seen((0.1, 0.5)), seen((0.1, 0.5)), film="shop.mp4"))
    door = list(frames(seen((0.1, 0.5), (0.9, 0.5)), first=2, film="door.mp4"))
    assert table(reduced_by(PEOPLE, [*shop, *door]), "sources").rows == (
        ("photos:door.mp4", 1, 2.0, 2, 0, 0),
        ("photos:shop.mp4", 2, 1.0, 1, 0, 0),
    )
    assert [t.name for t in reduced_by(PEOPLE, shop).tables] == ["counts", "crossings"]


def test_pictures_too_far_apart_are_not_followed_and_that_is_said() -> None:
    far = walked(path(0.2, 0.8), every_s=3.0)
    reduced = reduced_by(PEOPLE, far)
    assert "2 s or less apart" in str(reduced.notes[0])
    assert not {"people_in", "people_out"} & {name for name, _ in said(reduced)}, "nobody knows"
    assert table(reduced, "counts").rows[0][-2:] == (None, None)
    slow = recipe("people_count", lines={"gate": HALF}, step=3.0)
    assert reduced_by(slow, far).notes == ()
    assert ways(far, slow) == (1, 0)


def test_what_numbers_do_not_say_by_themselves_is_told() -> None:
    """More counted than boxes drawn; several cameras; times that are but the files'."""
    carried = walked(path(0.2, 0.8))
    for line in carried[5:8]:
        line["faint"], line["detections"] = line["detections"], []
    copied = [line | {"time_source": "mtime"} for line in (still(90, at=AT), still(91, at=AT))]
    assert [note.values for note in notes(carried)] == [(3,)]
    cams = [still(0, folder="x/day/door/", at=AT), still(1, folder="x/day/till/front/", at=AT)]
    reduced = reduced_by(recipe("people_count"), cams)
    assert [note.values for note in notes(cams, recipe("people_count"))] == [(2,)]
    assert [row[0] for row in table(reduced, "sources").rows] == ["door", "till/front"]
    assert [note.values for note in notes(copied, recipe("people_count"))] == [(2, 2)]


def notes(lines: Iterable[dict[str, Any]], by: ResolvedRecipe = PEOPLE) -> list[Note]:
    return [note for note in reduced_by(by, lines).notes if isinstance(note, Note)]


def test_no_picture_at_all_says_so_in_zeros() -> None:
    reduced = reduced_by(PEOPLE, [failed(0)])
    assert said(reduced) == {
        ("people_mean", ""): 0.0,
        ("people_peak", ""): 0,
    }
    assert reduced.notes == ()


def test_vehicles_are_counted_by_kind_and_a_van_is_what_it_mostly_looks_like() -> None:
    by = recipe("vehicle_count", lines={"gate": HALF}, labels="bicycle, car, truck")
    shown = []
    for n, x in enumerate(path(0.2, 0.8)):
        van = seen((x, 0.9), label="car" if n % 3 == 1 else "truck")
        shown.append([*van, *seen((1 - x, 0.4), label="bicycle")])
    reduced = reduced_by(by, frames(*shown, every_s=0.2))
    facts = said(reduced)
    assert (facts["vehicles_in", "gate"], facts["vehicles_out", "gate"]) == (1, 1)
    assert facts["vehicles_peak", ""] == 2
    assert (facts["vehicles_followed", "truck"], facts["vehicles_followed", "bicycle"]) == (1, 1)
    assert ("vehicles_followed", "car") not in facts


def test_the_same_lines_give_the_same_summary() -> None:
    lines = walked(path(0.2, 0.8, 0.3))
    assert reduced_by(PEOPLE, lines) == reduced_by(PEOPLE, iter(lines))
