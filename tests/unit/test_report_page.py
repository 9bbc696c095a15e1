"""The report's page: one file, every word in both languages, and nothing in it that runs."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from nasfarm.core.reduced import Chart, Fact, Note, Reduced, Table, Telling
from nasfarm_workers.recipes import counted, counts, heatmap
from nasfarm_workers.report import words
from nasfarm_workers.report.charts import drawn
from nasfarm_workers.report.page import page
from nasfarm_workers.report.survey import MOST_NAMES
from reports import jpeg, plain_report, recipe, report, shop, shop_day, shop_report, surveyed

HOSTILE = "photos:<script>alert(1)</script>/\"'><img src=x onerror=alert(2)>\u202e\udcff\n.jpg"
ADDRESS = re.compile(r"""(?:src|href|xlink:href|action|data|poster|srcset)="([^"]*)\"""")
ENGLISH, CHINESE = '<span lang="en">', '<span lang="zh">'


def written(made: Any) -> str:
    return "".join(page(made))


def found(i: int, *labels: str, score: float = 0.8, item: str = "") -> dict[str, Any]:
    """A line with these things in it."""
    boxes = [
        {"label": name, "class_id": n, "score": score, "box": [9.0 * n, 5.0, 9.0 * n + 8, 40.0]}
        for n, name in enumerate(labels)
    ]
    return {"i": i, "item": item or f"photos:a/{i}.jpg", "status": "ok", "width": 100, "height": 80,
            "model": "m@1/int8", "taken_at": f"2026-05-{1 + i % 28:02}T12:00:00",
            "time_source": "exif", "detections": boxes}  # fmt: skip


def failed(i: int, code: str = "decode", why: str = "is damaged", item: str = "") -> dict[str, Any]:
    name = item or f"photos:b/{i}.jpg"
    return {"i": i, "item": name, "status": "error",
            "error": {"code": code, "message": f"{name}: {why}"}}  # fmt: skip


def test_the_page_asks_nobody_for_anything_and_runs_nothing() -> None:
    text = written(shop_report())
    assert "<script" not in text and "@import" not in text and "url(" not in text
    assert not re.search(r"\son\w+=", text)
    outside = {one for one in ADDRESS.findall(text) if not one.startswith(("data:", "#"))}
    assert outside == {"tables/occupancy.csv", "tables/flow.csv", "tables/dwell.csv"}


def test_every_word_is_there_in_both_languages() -> None:
    text = written(shop_report())
    assert text.count(ENGLISH) == text.count(CHINESE) > 50
    assert ENGLISH + "People counted</span>" + CHINESE + "人数统计</span>" in text
    for told in ("进入人数", "停留时间", "最有代表性的图片", "文件损坏，或不是图片", "人</span>",
                 "2026年5月4日 09:00"):  # fmt: skip
        assert told in text, told


def test_every_note_of_ours_is_told_in_both_languages() -> None:
    """By its text: each that the code names is among the words."""
    made = {
        text
        for module in (counted, counts, heatmap)
        for name, text in vars(module).items()
        if name[0].isupper() and isinstance(text, str) and text.endswith(".")
    }
    assert made == set(words.NOTES)
    for text, chinese in words.NOTES.items():
        values = tuple(range(1, 1 + text.count("{")))
        english, told = words.noted(Note(text, values))
        assert (english, told) == (text.format(*values), chinese.format(*values))
        assert all(str(value) in told for value in values)


def test_what_was_asked_for_and_how_fast_it_went_is_told() -> None:
    text = written(shop_report())
    for told in ("score = 0.35", "nanodet-g@2/int8", "24.6 images/s", "counter", "door", "cameras",
                 "people-count-a6f90fca2d", "597 from the names of files"):  # fmt: skip
        assert told in text, told
    slow = replace(shop_report(), images_per_s=None)
    assert "images/s" not in written(slow)


def test_names_that_would_be_code_are_shown_as_they_are() -> None:
    lines = [found(0, "person", "<b>", item=HOSTILE), failed(1, item=HOSTILE, why=HOSTILE)]
    table = Table("alerts", ("item", HOSTILE), ((HOSTILE, 1),))
    chart = Chart("alerts", "bars", "alerts", "item", (HOSTILE,))
    reduced = Reduced(tables=(table,), charts=(chart,), notes=(HOSTILE,))
    made = report(recipe(zones={HOSTILE: ((0, 0), (1, 0), (1, 1))}), lines, reduced)
    text = written(made)
    assert "<script" not in text and "<img src=x" not in text and "<b>'" not in text
    assert "\u202e" not in text and "\udcff" not in text
    text.encode()


def test_every_failure_stands_under_its_reason() -> None:
    lines = [found(0, "dog")] + [failed(n) for n in range(1, 4)] + [failed(4, "missing", "is gone")]
    text = written(plain_report(lines))
    assert "4 failed" in text
    assert text.index("3 pictures") < text.index("is gone"), "the most frequent reason comes first"
    assert all(f"<bdi>{n}.jpg</bdi>" in text for n in range(1, 5))
    assert text.count("photos:b/") == 2, "a folder is named once for each reason"


def test_thirty_thousand_failures_stay_readable_and_say_where_the_rest_is() -> None:
    lines = [failed(n, item=f"photos:2026/05/IMG_{n:08}.jpg") for n in range(30_000)]
    text = written(plain_report(lines))
    assert text.count("IMG_") == MOST_NAMES
    assert "and 20,000 more" in text and "farm failed detect-a6f90fca2d --limit" in text
    assert len(text) < 1_000_000


def test_reasons_that_are_all_different_do_not_fill_the_page() -> None:
    survey, _ = surveyed(failed(n, why=f"is damaged ({n})") for n in range(5000))
    assert len(survey.failures) <= 101
    assert sum(group.count for group in survey.failures.values()) == 5000


@pytest.mark.parametrize("name", ["detect", "classify", "ocr", "embed"])
def test_a_job_of_any_recipe_has_a_page_even_where_nothing_was_found(name: str) -> None:
    text = written(plain_report([found(n) for n in range(5)], name))
    assert "5 pictures" in text and text.count("<figure style=") == 5
    assert "0 pictures" in written(plain_report([], name))


def test_classes_and_texts_are_told_in_words() -> None:
    base = {"status": "ok", "width": 9, "height": 9, "model": "m@1/int8"}
    classes = [{"label": "tabby", "score": 0.6}, {"label": "lynx", "score": 0.2}]
    told = written(plain_report([{"i": 0, "item": "photos:a.jpg", **base, "classes": classes}],
                                "classify"))  # fmt: skip
    assert "tabby" in told and "lynx" not in told
    corners = [[0, 0], [5, 0], [5, 2], [0, 2]]
    texts = [{"text": "出口 <EXIT>", "score": 0.9, "polygon": corners}]
    told = written(plain_report([{"i": 0, "item": "photos:a.jpg", **base, "texts": texts}], "ocr"))
    assert "出口 &lt;EXIT&gt;" in told and 'points="0,0 5,0 5,2 0,2"' in told


def test_a_long_table_shows_its_first_rows_and_where_all_are() -> None:
    rows = tuple((f"2026-05-04T12:{n // 60:02}:{n % 60:02}", n) for n in range(3000))
    reduced = Reduced(tables=(Table("counts", ("time", "people"), rows),))
    text = written(report(recipe(), [found(0, "person")], reduced))
    assert "The first 100 of 3,000 rows" in text and 'href="tables/counts.csv"' in text
    assert "2026-05-04 12:01:39" in text and "2026-05-04 12:01:40" not in text


def test_what_a_reduce_says_comes_first_and_what_it_does_not_say_is_told_of_any_job() -> None:
    shown = written(shop_report())
    assert "Over time" not in shown, "its own chart says more"
    assert "Over time" in written(plain_report([found(n, "dog") for n in range(20)]))


def test_the_highest_value_of_a_long_day_is_in_the_chart() -> None:
    counts = [1] * 50_000
    counts[31_337] = 97
    table = Table("counts", ("second", "people"), tuple(enumerate(counts)))
    text = drawn(Chart("counts", "time", "counts", "second", ("people",)), table)
    assert " 3.00" in text, "97 of 100 is 3 % from the top"
    assert len(text) < 60_000
    assert "People 97" in text


def test_what_is_rare_is_drawn_by_itself() -> None:
    rows = tuple((n, n % 20 == 0, n % 30 == 0) for n in range(120))
    table = Table(
        "crossings", ("second", "in", "out"), tuple((n, int(a), int(b)) for n, a, b in rows)
    )
    text = drawn(Chart("crossings", "time", "crossings", "second", ("in", "out")), table)
    assert text.count(' stem"') == 2 and ' line"' not in text
    assert text.count("V0.00") == 6 + 4


def test_a_video_without_a_date_of_its_own_is_told_by_its_own_time() -> None:
    lines = [
        {**found(n, "person", item="videos:a.avi"), "frame": {"number": n, "seconds": n / 10},
         "taken_at": f"2026-11-23T15:26:{n // 10:02}.{n % 10}", "time_source": "mtime"}
        for n in range(300)
    ]  # fmt: skip
    rows = tuple((f"2026-11-23T15:26:{n:02}", n) for n in range(30))
    reduced = Reduced(
        facts=(Fact("people_peak_at", "2026-11-23T15:26:07"),),
        tables=(Table("counts", ("time", "people"), rows),),
        charts=(Chart("counts", "time", "counts", "time", ("people",)),),
    )
    text = written(report(recipe(), lines, reduced))
    assert "<dd>0:07</dd>" in text and "30 s of video" in text
    assert "15:26" not in text.partition('id="tables"')[0]


def test_a_chart_shows_a_gap_where_nothing_was_seen_for_long() -> None:
    seen = [*range(0, 60), *range(600, 660)]
    table = Table("counts", ("second", "people"), tuple((at_s, 1) for at_s in seen))
    text = drawn(Chart("counts", "time", "counts", "second", ("people",)), table)
    assert text.count('class="c1 line"') == 2


@pytest.mark.parametrize("rows", [(), ((None, 1),), (("noon", 3), ("later", 4)), ((5, None),)])
def test_a_table_without_times_or_numbers_has_no_chart(rows: Any) -> None:
    table = Table("counts", ("time", "people"), rows)
    assert drawn(Chart("counts", "time", "counts", "time", ("people",)), table) == ""


# -- what is most telling ----------------------------------------------------------------------


def test_each_kind_of_thing_has_its_clearest_picture_among_the_shown() -> None:
    lines = [found(n, "person", score=0.5) for n in range(3000)]
    lines[1234] = found(1234, "cat", score=0.9)
    lines[2000] = found(2000, *["person"] * 7)
    survey, _ = surveyed(lines)
    shown = [one.i for one in survey.telling(24)]
    assert shown[0] == 2000 and 1234 in shown
    assert len(shown) == len(set(shown)) == 24


def test_the_shown_pictures_come_from_all_parts_of_a_job() -> None:
    survey, _ = surveyed(found(n, "person") for n in range(10_000))
    shown = sorted(one.i for one in survey.telling(24))
    assert max(b - a for a, b in pairwise(shown)) < 6000
    assert len(survey.best) <= 64


def test_the_order_of_equals_does_not_depend_on_anything_else() -> None:
    lines = shop_day()[0]
    one, _ = surveyed(lines)
    other, _ = surveyed([*lines])
    assert one.telling(24) == other.telling(24)


def test_a_picture_that_could_not_be_opened_leaves_its_boxes_and_its_name() -> None:
    made = plain_report([found(0, "dog")])
    text = written(replace(made, shots=[replace(made.shots[0], jpeg=b"")]))
    assert "could not be opened" in text and "photos:a/0.jpg" in text and "<rect" in text


def test_only_the_first_of_many_full_pictures_says_that_it_is_the_fullest() -> None:
    lines = [found(n, "dog", "dog") for n in range(5)]
    told = tuple(Telling(n, "most", 2.0) for n in range(5))
    assert written(report(recipe(), lines, Reduced(telling=told))).count("Most at once ·") == 1


def test_a_picture_is_as_large_as_it_has_to_be() -> None:
    chance = random.Random(1)
    feet = [(chance.random(), 0.5 + chance.random() / 2) for _ in range(12)]
    assert len(jpeg(shop(feet), 640)) < 80_000
