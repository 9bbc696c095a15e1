"""Times in reports: bins that grow, round marks on axes, and words for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasfarm.core.reduced import Fact
from nasfarm_workers.report.axes import scale
from nasfarm_workers.report.bins import HELD, Bins
from nasfarm_workers.report.clocks import (
    DAY,
    MONTH,
    YEAR,
    floor,
    following,
    length,
    marks,
    step_words,
    stretch,
    wall_s,
)
from nasfarm_workers.report.numbers import cell, valued
from nasfarm_workers.report.words import named


def at(text: str) -> float:
    seconds = wall_s(text)
    assert seconds is not None
    return seconds


@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=900))
def test_whatever_comes_every_item_is_in_one_step_and_steps_are_few(moments: list[float]) -> None:
    bins = Bins()
    for moment in moments:
        bins.add(moment, ["person"])
    width_s, steps = bins.steps()
    assert sum(step.items for step in steps) == len(moments)
    assert sum(step.found["person"] for step in steps) == len(moments)
    assert len(steps) <= HELD
    starts = [step.start_s for step in steps]
    assert starts == sorted(set(starts))
    assert starts[0] <= min(moments) < following(width_s, starts[0])


def test_a_day_of_pictures_a_minute_apart_is_shown_by_five_minutes() -> None:
    bins = Bins()
    for minute in range(600):
        bins.add(at("2026-05-04T09:00:00") + 60 * minute, [])
    width_s, steps = bins.steps()
    assert (width_s, len(steps), steps[0].items) == (300, 120, 5)


def test_a_year_is_shown_by_days_and_ten_years_by_months() -> None:
    for days, width_s in ((365, DAY), (3650, MONTH)):
        bins = Bins()
        for day in range(0, days, 3):
            bins.add(at("2016-01-01T12:00:00") + DAY * day, [])
        assert bins.steps()[0] == width_s


@pytest.mark.parametrize(
    ("step_s", "moment", "begins", "next_one"),
    [
        (600, "2026-05-04T12:34:56", "2026-05-04T12:30:00", "2026-05-04T12:40:00"),
        (DAY, "2024-02-29T23:59:59", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        (MONTH, "2024-02-29T23:59:59", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        (MONTH, "2023-12-31T00:00:00", "2023-12-01T00:00:00", "2024-01-01T00:00:00"),
        (3 * MONTH, "2026-05-04T00:00:00", "2026-04-01T00:00:00", "2026-07-01T00:00:00"),
        (YEAR, "2024-12-31T00:00:00", "2024-01-01T00:00:00", "2025-01-01T00:00:00"),
        (YEAR, "1969-07-20T20:17:40", "1969-01-01T00:00:00", "1970-01-01T00:00:00"),
    ],
)
def test_steps_are_the_clocks_and_the_calendars(
    step_s: int, moment: str, begins: str, next_one: str
) -> None:
    start = floor(step_s, at(moment))
    assert (start, following(step_s, start)) == (at(begins), at(next_one))


@given(st.floats(0, 4e9), st.floats(1, 3e9))
def test_marks_are_few_ordered_and_between_the_ends(first_s: float, span_s: float) -> None:
    found = marks(first_s, first_s + span_s, 8, film=False)
    places = [mark.at_s for mark in found]
    assert places == sorted(places) and len(places) <= 10
    assert all(first_s <= place <= first_s + span_s for place in places)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-05-04T09:00:00", "2026-05-04T18:30:00",
         ("4 May 2026, 09:00–18:30", "2026年5月4日 09:00–18:30")),
        ("2026-05-04T09:00:01", "2026-05-04T09:00:59", ("4 May 2026, 09:00", "2026年5月4日 09:00")),
        ("2025-12-31T23:00:00", "2026-01-01T01:00:00",
         ("31 Dec 2025 – 1 Jan 2026", "2025年12月31日 – 2026年1月1日")),
    ],
)  # fmt: skip
def test_a_stretch_of_time_in_words(first: str, last: str, words: tuple[str, str]) -> None:
    assert stretch(at(first), at(last)) == words


def test_noon_is_noon_where_the_picture_was_taken() -> None:
    assert at("2026-05-04T12:00:00+08:00") == at("2026-05-04T12:00:00")
    assert wall_s("yesterday") is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0.4 s"), (7.96, "8 s"), (48, "48 s"), (89.6, "90 s"), (395, "6 min 35 s"),
     (720, "12 min"),
     (7200, "2 h"), (12_000, "3 h 20 min")],
)  # fmt: skip
def test_a_length_of_time_in_words(seconds: float, words: str) -> None:
    assert length(seconds)[0] == words


@pytest.mark.parametrize(
    ("step_s", "words"),
    [(1, "1 second"), (600, "10 minutes"), (3600, "1 hour"), (DAY, "1 day"), (MONTH, "1 month"),
     (YEAR, "1 year")],
)  # fmt: skip
def test_a_step_in_words(step_s: int, words: str) -> None:
    assert step_words(step_s)[0] == words


@given(st.floats(0.001, 1e9), st.booleans())
def test_an_axis_holds_the_highest_value_and_has_few_round_marks(most: float, whole: bool) -> None:
    top, ys = scale(most, whole=whole)
    assert most <= top * (1 + 1e-9)
    assert ys[0] == 0 and ys[-1] == pytest.approx(top) and 2 <= len(ys) <= 6


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (Fact("dwell", 81.5, "s"), ("82 s", "82 秒")),
        (Fact("seen_in", 1, "pictures"), ("1 picture", "1 张图片")),
        (Fact("seen_in", 12_840, "pictures"), ("12,840 pictures", "12,840 张图片")),
        (Fact("dwell_share", 93.456, "%"), ("93.5 %", "93.5 %")),
        (
            Fact("people_peak_at", "2026-05-04T12:03:00"),
            ("4 May 2026, 12:03", "2026年5月4日 12:03"),
        ),
        (Fact("best", "door"), ("door", "door")),
        (Fact("weight", 2.5, "kg"), ("2.5 kg", "2.5 kg")),
    ],
)
def test_a_fact_in_words(fact: Fact, words: tuple[str, str]) -> None:
    assert valued(fact) == words


def test_cells_and_names() -> None:
    cells = (None, "2026-05-04T12:00:01+08:00", 0.125, 3.0, 12_840)
    assert [*map(cell, cells)] == ["", "2026-05-04 12:00:01", "0.125", "3", "12,840"]
    assert named("door in") == ("door: in", "door：进入")
    assert named("my_own") == ("my own", "my own")
