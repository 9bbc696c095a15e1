"""The status page in a real browser: live, self-contained, usable by everybody and on a phone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from browser import PHONE, SCHEMES, WIDE, Scheme, chromium, visit
from farmyard import Farmyard, wait_until
from jobfolders import FIRST, job_of, line, put_chunk, put_done, put_job
from nasfarm.api import Farm
from nasfarm.core.jobs import Pace, Summary
from nasfarm.core.nodes import NodeReport, Slot
from nasfarm.home import Home
from nasfarm.nodes.holds import hold, introduce
from ownbroker import own_broker
from pictures import picture, pictures
from webserver import OUTSIDE, Served, made_farm, served

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


# -- a farm as it is drawn ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A farm with a bit of everything, and a name that would like to be more than a name."""
    folder = tmp_path_factory.mktemp("farm")
    with own_broker(folder / "broker") as own, pytest.MonkeyPatch.context() as patch:
        farm = made_farm(folder, patch, own.url)
        for n in range(8):
            put_done(farm.home.jobs, f"ocr-{n}", created=FIRST + timedelta(hours=n))
        put_failures(farm.home)
        put_job(farm.home.jobs, job_of("classify-1", items=400, created=FIRST + timedelta(days=2)))
        farm.broker.leases.register("classify-1", 10)
        introduce(farm.settings.home, "attic")
        hold(farm.settings.home, "attic", "drain", time.time())
        yield farm


@pytest.fixture
def nodes(farm: Farm) -> None:
    """Two nodes that have just reported; after 15 s they are away."""
    slots = (Slot(0, (0,), 1, "ready"), Slot(1, (1,), 2, "ready"))
    for node in ("nas", "cellar"):
        roots, away = ("home",), ("photos",)
        farm.broker.presence.report(NodeReport(node, "b", "0.1.0", 7, roots, away, slots))


def put_failures(home: Home) -> None:
    put_job(home.jobs, job_of("detect-1", items=3, created=FIRST + timedelta(days=1)))
    name = "photos:<img src=x onerror=document.title='caught'>.jpg"
    bad = [line(1, "decode", name), line(2, "crashed", "photos:a/" + "long" * 60 + ".png")]
    put_chunk(home.jobs, "detect-1", 0, [line(0), *bad])
    said = {"i": 2, "attempts": 3, "node": "nas", "excerpt": "Fatal Python error\n" + "x" * 400}
    (home.jobs.path("detect-1") / "chunks" / "0.failures.json").write_text(json.dumps([said]))
    home.jobs.finish(Summary("detect-1", 0, 3, 1, 2, ()), Pace(9.1))
    for n in range(3):
        drawn = home.jobs.path("detect-1") / "pictures" / f"{n:06d}-'\"><b>{n}.jpg"
        picture(drawn, 40 * n)


@pytest.fixture(scope="module")
def pages(farm: Farm) -> Iterator[dict[str, str]]:
    """The pages by name; the one with a login from a server that others reach."""
    from nasfarm.web.users import Users

    Users(farm.settings.state_dir).put("anna", PASSWORD, "operate")
    with served(Farm) as inside, served(Farm, OUTSIDE) as outside:
        job = f"{inside.url}/jobs/detect-1"
        yield {
            "overview": inside.url, "job": job, "login": outside.url, "jobs": f"{inside.url}/jobs"
        }  # fmt: skip


@pytest.mark.short
@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("name", ["overview", "job", "login", "jobs"])
def test_a_page_can_be_used_by_everybody(
    browser: Browser, pages: dict[str, str], name: str, size: tuple[int, int], scheme: Scheme
) -> None:
    with visit(browser, size, scheme) as seen:
        seen.page.goto(pages[name])
        seen.page.wait_for_timeout(300)
        for closed in seen.page.locator("details").all():
            closed.locator("summary").click()
        assert seen.serious_faults() == []
        assert seen.overflow() <= 0
        assert seen.complaints == []
        assert seen.hosts == {pages[name].split("/")[2]}
        assert "caught" not in seen.page.title()


@pytest.mark.short
@pytest.mark.usefixtures("nodes")
def test_the_keyboard_reaches_everything_and_keeps_its_place_while_things_change(
    browser: Browser, pages: dict[str, str], farm: Farm
) -> None:
    with visit(browser) as seen:
        page = seen.page
        page.goto(pages["overview"])
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator("#open-classify-1").focus()
        page.evaluate("window.row = document.getElementById('job-classify-1')")
        farm.broker.leases.done("classify-1", 0, "home", 40, 0, worked=True)
        expect(page.locator("#job-classify-1 progress")).to_have_attribute("value", "40")
        assert page.evaluate("window.row.isConnected") is False
        assert page.evaluate("document.activeElement.id") == "open-classify-1"
        page.locator("#hold-nas").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("nas is paused")
        expect(page.get_by_role("button", name="Resume nas")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Pause nas")).to_be_focused()
        assert seen.complaints == []


@pytest.mark.short
def test_who_logs_in_comes_to_the_page_that_was_asked_for_and_out_again(
    browser: Browser, pages: dict[str, str]
) -> None:
    with visit(browser, PHONE) as seen:
        page = seen.page
        page.goto(f"{pages['login']}/jobs/detect-1")
        page.get_by_label("Name").fill("anna")
        page.get_by_label("Password").fill("wrong password")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("is wrong")
        page.get_by_label("Name").fill("anna")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="detect-1", level=1)).to_be_visible()
        expect(page.locator("#live")).to_have_text("Live.")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        assert seen.complaints == []


@pytest.mark.short
def test_a_page_whose_server_ends_says_so_and_comes_back_with_it(
    browser: Browser, farm: Farm, tmp_path: Path
) -> None:
    environment = {"FARM_WEB_LISTEN": f"127.0.0.1:{free_port()}"}
    url = f"http://{environment['FARM_WEB_LISTEN']}"
    with visit(browser) as seen:
        process = begin(environment, url)
        try:
            seen.page.goto(url)
            expect(seen.page.locator("#live")).to_have_text("Live.")
            seen.page.evaluate("window.old = true")
            process.terminate()
            process.wait(5)
            expect(seen.page.locator("#live")).to_contain_text("Not live")
            process = begin(environment, url)
            expect(seen.page.locator("#live")).to_have_text("Live.")
            assert seen.page.evaluate("window.old") is None
        finally:
            process.kill()
            process.wait(5)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def begin(environment: dict[str, str], url: str) -> subprocess.Popen[bytes]:
    """`farm serve`, once it answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nasfarm", "serve"], env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/health/live", timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    wait_until(answers, 20, "the server answers")
    return process


# -- a real job --------------------------------------------------------------------------------


def done_in(page: Page, job_id: str) -> int:
    bar = page.locator(f"#job-{job_id} progress")
    return int(bar.get_attribute("value") or 0) if bar.count() else -1


def test_a_real_job_moves_is_mended_and_its_node_paused_and_resumed_by_clicks(
    browser: Browser, running_farm: Farmyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = running_farm.folder / "photos"
    pictures(folder, 900)
    broken = folder / "broken.jpg"
    broken.write_bytes(b"half a picture")
    running_farm.ok("roots", "add", "photos", folder)
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        monkeypatch.delenv(name)  # the drawn farm's
    for name, text in running_farm.environment().items():
        monkeypatch.setenv(name, text)
    with served(Farm) as server, visit(browser, PHONE) as seen:
        follow_a_job(seen.page, server, running_farm, folder, broken)
        hold_a_node(seen.page, running_farm)
        assert seen.complaints == []
        assert seen.hosts == {server.url.split("/")[2]}


def follow_a_job(page: Page, server: Served, yard: Farmyard, folder: Path, broken: Path) -> None:
    page.goto(server.url)
    page.evaluate("window.same = true")  # gone after a reload
    job_id = yard.ok("submit", folder, "--recipe", "detect", "--json").json["job_id"]
    expect(page.locator(f"#job-{job_id}")).to_be_visible()
    steps: list[int] = []

    def further() -> bool:
        now = done_in(page, job_id)
        if now > 0 and now not in steps:
            steps.append(now)
        return len(steps) >= 3

    wait_until(further, 60, "the progress bar moves three times")
    assert steps == sorted(steps)
    yard.run("wait", job_id, "--timeout", 120)
    expect(page.locator(f"#job-{job_id} .state")).to_have_text("done")
    assert page.evaluate("window.same") is True

    page.locator(f"#failed-{job_id}").click()
    again = page.get_by_role("button", name="Try again photos:broken.jpg")
    expect(again).to_be_visible()
    page.evaluate("window.same = true")
    picture(broken, 7)
    again.click()
    expect(page.locator("#said")).to_have_text("1 picture handed in again.")
    expect(page.locator("#failures")).not_to_contain_text("broken.jpg", timeout=60_000)
    expect(page.locator("#head")).to_contain_text("901 good")
    assert page.evaluate("window.same") is True


def hold_a_node(page: Page, yard: Farmyard) -> None:
    (node,) = (report["node"] for report in yard.nodes())
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("button", name=f"Pause {node}").click()
    expect(page.locator(f"#node-{node} .state")).to_have_text("paused")
    wait_until(lambda: [one["reason"] for one in yard.nodes()[0]["held"]] == ["pause"], 20)
    page.get_by_role("button", name=f"Resume {node}").click()
    wait_until(lambda: not yard.nodes()[0]["held"], 20)
    expect(page.locator(f"#node-{node} .state")).to_have_text("works")
