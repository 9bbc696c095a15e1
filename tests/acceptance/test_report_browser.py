"""Reports in a real browser: opened by a double click, through the status page, and large ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from browser import ARGUMENTS, CHROMIUM, PHONE, WIDE, Scheme, chromium, visit
from jobfolders import put_done
from nasfarm.api import Farm
from nasfarm_workers.report.page import page
from nasfarm_workers.report.values import Report
from ownbroker import own_broker
from reports import plain_report, shop_day, shop_report, zones_report
from webserver import made_farm, served

pytestmark = pytest.mark.short


def plain() -> Report:
    """Things of many kinds over some weeks, and failures."""
    chance = random.Random(5)
    lines: list[dict[str, Any]] = []
    for i in range(400):
        count = chance.choice((0, 1, 1, 2, 3, 9))
        labels = chance.choices(
            ("person", "dog", "car", "bicycle", "cat", "bench", "kite"), k=count
        )
        boxes = [[chance.uniform(0, 900), chance.uniform(200, 500)] for _ in labels]
        lines.append({
            "i": i, "item": f"photos:2026/05/a very long name of a picture, number {i:04}.jpg",
            "status": "ok", "width": 1280, "height": 800, "model": "m@1/int8",
            "taken_at": f"2026-05-{1 + i % 28:02}T{8 + i % 12:02}:00:00", "time_source": "exif",
            "detections": [
                {"label": name, "class_id": 0, "score": 0.5, "box": [x, y, x + 120, y + 260]}
                for name, (x, y) in zip(labels, boxes, strict=True)
            ],
        })  # fmt: skip
    for i in range(100, 160):
        error = {"code": "decode", "message": f"is damaged (marker {i % 3} is missing)"}
        lines[i] = {"i": i, "item": lines[i]["item"], "status": "error", "error": error}
    return plain_report(lines)


REPORTS: dict[str, Callable[[], Report]] = {
    "shop": shop_report, "zones": zones_report, "plain": plain,
    "empty": lambda: plain_report([]),
}  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as it:
        yield it


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports, a file each."""
    folder = tmp_path_factory.mktemp("reports")
    for name, made in REPORTS.items():
        (folder / f"{name}.html").write_text("".join(page(made())), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [("shop", WIDE, "light"), ("shop", PHONE, "dark"), ("plain", WIDE, "dark"),
     ("plain", PHONE, "light"), ("zones", PHONE, "light"), ("empty", PHONE, "light")],
)  # fmt: skip
def test_a_report_can_be_used_by_everybody_and_asks_nobody(
    browser: Browser, folder: Path, name: str, size: tuple[int, int], scheme: Scheme
) -> None:
    with visit(browser, size, scheme) as seen:
        seen.page.goto((folder / f"{name}.html").as_uri())
        seen.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert seen.serious_faults() == []
        assert seen.overflow() <= 0
        assert seen.complaints == []
        assert seen.hosts == {""}, "only the file itself"


@pytest.mark.parametrize("words", ["en", "zh"])
def test_its_language_is_changed_by_a_click_and_by_the_keyboard(
    browser: Browser, folder: Path, words: str
) -> None:
    with visit(browser, PHONE) as seen:
        seen.page.goto((folder / "shop.html").as_uri())
        title = seen.page.get_by_role("heading", level=1)
        expect(title).to_have_text("People counted", use_inner_text=True)
        if words == "zh":
            seen.page.get_by_text("中文").click()
            expect(title).to_have_text("人数统计", use_inner_text=True)
            assert seen.serious_faults() == [] and seen.overflow() <= 0
            seen.page.keyboard.press("ArrowLeft")
        expect(title).to_have_text("People counted", use_inner_text=True)


@pytest.fixture
def chinese(browser: Browser) -> Iterator[Browser]:
    """A browser whose user reads Chinese."""
    arguments = (*ARGUMENTS, "--accept-lang=zh-CN")
    it = browser.browser_type.launch(executable_path=CHROMIUM, args=arguments)
    yield it
    it.close()


def test_where_chinese_is_read_it_is_chinese_from_the_start(chinese: Browser, folder: Path) -> None:
    with visit(chinese, PHONE) as seen:
        seen.page.goto((folder / "shop.html").as_uri())
        title = seen.page.get_by_role("heading", level=1)
        expect(title).to_have_text("人数统计", use_inner_text=True)
        seen.page.get_by_text("English", exact=True).click()
        expect(title).to_have_text("People counted", use_inner_text=True)
        assert seen.complaints == []


def test_a_picture_is_seen_large_with_its_boxes_in_place_and_small_again(
    browser: Browser, folder: Path
) -> None:
    with visit(browser, PHONE) as seen:
        seen.page.goto((folder / "shop.html").as_uri())
        shot = seen.page.locator(".shot").first
        picture, box = shot.locator("img"), shot.locator("rect").nth(1)
        before = picture.bounding_box(), box.bounding_box()
        shot.click()
        large, inside = picture.bounding_box(), box.bounding_box()
        assert before[0] and before[1] and large and inside
        assert large["width"] > 360 > 1.8 * before[0]["width"]
        part = (before[1]["x"] - before[0]["x"]) / before[0]["width"]
        assert (inside["x"] - large["x"]) / large["width"] == pytest.approx(part, abs=0.02)
        expect(shot.locator(".chips b").first).to_be_visible()
        seen.page.mouse.click(large["x"] + 50, large["y"] + 50)
        small = picture.bounding_box()
        assert small and small["width"] == pytest.approx(before[0]["width"], abs=1)


def test_through_the_status_page_it_looks_the_same_and_its_tables_come_down(
    browser: Browser, folder: Path, tmp_path: Path
) -> None:
    with own_broker(tmp_path / "broker") as own, pytest.MonkeyPatch.context() as patch:
        farm = made_farm(tmp_path, patch, own.url)
        job = put_done(farm.home.jobs, "detect-1")
        there = farm.home.jobs.path(job.job_id)
        (there / "report.html").write_bytes((folder / "shop.html").read_bytes())
        (there / "tables").mkdir()
        (there / "tables" / "flow.csv").write_text("time,in,out\n")
        with served(Farm) as server, visit(browser) as seen:
            seen.page.goto(f"{server.url}/jobs/{job.job_id}")
            seen.page.get_by_role("link", name="Report").click()
            expect(seen.page.get_by_role("heading", level=1)).to_be_visible()
            with_pictures = "[...document.images].every(one => one.naturalWidth > 0)"
            assert seen.page.evaluate(with_pictures) is True
            seen.page.locator("#tables summary", has_text="In and out").click()
            with seen.page.expect_download() as coming:
                seen.page.get_by_role("link", name="tables/flow.csv").click()
            assert coming.value.path().read_text() == "time,in,out\n"
            assert seen.complaints == []
            assert seen.hosts == {server.url.split("/")[2]}


def test_a_hundred_thousand_pictures_make_a_page_that_opens(
    browser: Browser, tmp_path: Path
) -> None:
    lines: list[dict[str, Any]] = []
    day = shop_day()[0]
    for i in range(100_000):
        lines.append({**day[i % len(day)], "i": i, "item": f"cameras:door/{i:08}.jpg"})
    path = tmp_path / "report.html"
    path.write_text("".join(page(plain_report(lines))), "utf-8")
    assert path.stat().st_size < 20_000_000
    with visit(browser, PHONE) as seen:
        seen.page.goto(path.as_uri())
        expect(seen.page.get_by_role("heading", level=1)).to_be_visible()
        assert seen.complaints == [] and seen.overflow() <= 0
