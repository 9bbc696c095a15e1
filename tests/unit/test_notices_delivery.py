"""Published chunks to a receiver: order, once where nothing fails, again where something does."""

from __future__ import annotations

import base64
import json
import logging
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from nasfarm.core.notices import notice_rules
from nasfarm.core.tallies import Tally, of_notices
from nasfarm.home import Home
from nasfarm.notices.lane import Sent
from nasfarm.notices.lanes import Rules
from nasfarm.notify import Notifier
from watchedjobs import WatchedJob, bare_home, broken, nobody, person
from webhooks import Inbox, free_port, receiving

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY, YESTERDAY = "2026-11-23", "2026-11-22"


class Desk:
    """A notifier on a home of its own, whose clock goes only when told."""

    def __init__(self, folder: Path) -> None:
        self.home: Home = bare_home(folder)
        self.rules: Rules = {}
        self.now = NOW
        self.clock_s = 0.0
        self.counted = Tally()
        self._left: list[Notifier] = []
        self.notifier = self._new()

    def _new(self) -> Notifier:
        return Notifier(self.home, lambda: self.clock_s, count=self._count)

    def _count(self, kind: str, sent: Sent) -> None:
        self.counted += of_notices(kind, sent.sent, sent.refused, sent.failed)

    def want(self, url: str, recipe: str = "detect", **changes: Any) -> None:
        rule = {"name": "door", "when": {"label": "person"}, "webhook": url} | changes
        self.rules = {**self.rules, recipe: notice_rules([rule], "here")}

    def job(self, day: str = TODAY, recipe: str = "detect") -> WatchedJob:
        return WatchedJob(self.home.jobs, recipe, day).made()

    def go(self, after_s: float = 0) -> Sent:
        """One pass, after so many seconds."""
        self.clock_s += after_s
        return self.notifier.notify(self.rules, self.now)

    def restart(self, after_s: float = 0) -> None:
        """Another leader takes over."""
        self.notifier.close()
        self.die(after_s)

    def die(self, after_s: float = 0) -> None:
        """As `restart`, and the former leader had no time to write anything down."""
        self.clock_s += after_s
        self._left.append(self.notifier)
        self.notifier = self._new()

    def close(self) -> None:
        for notifier in [*self._left, self.notifier]:
            notifier.close()

    @property
    def ledgers(self) -> list[str]:
        folder = self.home.jobs.folder / ".notices"
        return sorted(os.listdir(folder)) if folder.exists() else []


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with receiving() as inbox:
        yield inbox


def test_what_is_published_is_told_once_and_in_order(desk: Desk, inbox: Inbox) -> None:
    desk.want(inbox.url)
    desk.go()
    job = desk.job()
    job.see("cam/a.jpg", "cam/b.jpg")
    assert desk.go() == Sent(sent=2)
    job.see("cam/c.jpg")
    assert desk.go() == Sent(sent=1)
    assert desk.go() == Sent()
    desk.restart()
    assert desk.go() == Sent()
    assert inbox.texts == [f"1 person in cam/{name}.jpg (0.90)" for name in "abc"]


def test_lines_of_a_chunk_are_told_in_manifest_order(desk: Desk, inbox: Inbox) -> None:
    desk.want(inbox.url)
    desk.go()
    job = desk.job()
    job.plan(4)
    items = [job.item(f"{n}.jpg") for n in range(4)]
    job.publish(
        0, person(0, items[0]), nobody(1, items[1]), broken(2, items[2]), person(3, items[3])
    )
    desk.go()
    assert [one.event["i"] for one in inbox.got] == [0, 3]


def test_a_new_rule_leaves_alone_what_lies_there(desk: Desk, inbox: Inbox) -> None:
    desk.job(YESTERDAY).see("old.jpg")
    job = desk.job()
    job.see("before.jpg")
    desk.want(inbox.url)
    assert desk.go() == Sent()
    job.see("after.jpg")
    desk.die()  # the first pass has written down what is no news
    assert desk.go() == Sent(sent=1)
    assert inbox.texts == ["1 person in after.jpg (0.90)"]


def test_files_of_a_recipe_with_a_longer_name_are_not_told(desk: Desk, inbox: Inbox) -> None:
    desk.want(inbox.url)
    desk.go()
    desk.job(recipe="detect-night").see("a.jpg")
    assert desk.go(100) == Sent()


# -- order -------------------------------------------------------------------------------------


def test_a_chunk_waits_for_the_one_before_it(desk: Desk, inbox: Inbox) -> None:
    desk.want(inbox.url)
    desk.go()
    job = desk.job()
    job.plan(1, 1)
    job.publish(1, person(1, job.item("b.jpg")))
    assert desk.go() == Sent()
    job.publish(0, person(0, job.item("a.jpg")))
    assert desk.go(5) == Sent(sent=2)
    assert [one.event["i"] for one in inbox.got] == [0, 1]


def test_a_chunk_that_is_stuck_holds_the_others_up_for_ten_seconds_once(
    desk: Desk, inbox: Inbox
) -> None:
    desk.want(inbox.url)
    desk.go()
    job = desk.job()
    job.plan(1, 1, 1)
    job.publish(1, person(1, job.item("b.jpg")))
    desk.go()
    assert desk.go(9.9) == Sent()
    assert desk.go(0.2) == Sent(sent=1)
    job.publish(2, person(2, job.item("c.jpg")))
    assert desk.go(0.5) == Sent(sent=1)
    job.publish(0, person(0, job.item("a.jpg")))
    assert desk.go(0.5) == Sent(sent=1)
    assert [one.event["i"] for one in inbox.got] == [1, 2, 0]


def test_after_midnight_yesterday_is_told_first(desk: Desk, inbox: Inbox) -> None:
    desk.now = NOW - timedelta(days=1)
    desk.want(inbox.url)
    desk.go()
    yesterday = desk.job(YESTERDAY)
    yesterday.plan(1)
    desk.now = NOW
    desk.job().see("today.jpg")
    assert desk.go(1) == Sent()
    yesterday.publish(0, person(0, yesterday.item("yesterday.jpg")))
    assert desk.go(1) == Sent(sent=2)
    assert [text.split()[3] for text in inbox.texts] == ["yesterday.jpg", "today.jpg"]


def test_days_that_are_done_with_are_forgotten_and_a_backlog_is_not(
    desk: Desk, inbox: Inbox
) -> None:
    desk.now = NOW - timedelta(days=20)
    desk.want(inbox.url)
    desk.go()
    jobs = [desk.job((NOW - timedelta(days=back)).date().isoformat()) for back in (19, 18, 17)]
    for job in jobs:
        job.see("a.jpg")
        desk.home.jobs.seal(job.job_id)
    desk.now = NOW
    desk.restart()
    assert desk.go(100) == Sent(sent=3)
    desk.go(100)
    desk.restart()
    (file,) = desk.ledgers
    position = json.loads((desk.home.jobs.folder / ".notices" / file).read_text())
    assert position["floor"] == "2026-11-07"
    newest = {job.job_id for job in jobs[-2:]}  # a clock that ran ahead may be put right
    assert set(position["handled"]) == newest
    assert desk.go(100) == Sent()


# -- trouble -----------------------------------------------------------------------------------


def test_a_receiver_that_was_down_hears_everything_in_order(desk: Desk) -> None:
    port = free_port()
    desk.want(f"http://127.0.0.1:{port}/hook")
    desk.go()
    job = desk.job()
    job.see("a.jpg", "b.jpg")
    assert desk.go() == Sent(waiting=1, failed=1)
    job.see("c.jpg")
    with receiving(port) as inbox:
        assert desk.go(0.9) == Sent(waiting=1), "it is tried again after a second"
        assert desk.go(0.2) == Sent(sent=3)
        assert [one.event["i"] for one in inbox.got] == [0, 1, 2]


def test_what_arrives_is_refused_or_finds_nobody_is_counted(desk: Desk, inbox: Inbox) -> None:
    desk.want(inbox.url)
    desk.want(f"http://127.0.0.1:{free_port()}/hook", recipe="ocr")
    desk.go()
    job, nobody_hears = desk.job(), desk.job(recipe="ocr")
    inbox.answers = [200, 404, 503]
    job.see("a.jpg", "b.jpg", "c.jpg")
    nobody_hears.see("d.jpg")
    desk.go()
    desk.go(0.5)  # too soon to try again, so nothing to count
    assert desk.counted == of_notices("webhook", 1, 1, 2)
    desk.go(0.6)
    assert desk.counted == of_notices("webhook", 2, 1, 3)


def test_the_pauses_grow_to_a_minute(desk: Desk) -> None:
    desk.want(f"http://127.0.0.1:{free_port()}/hook")
    desk.go()
    desk.job().see("a.jpg")
    desk.go()
    for pause_s in (1, 2, 4, 8, 16, 32, 60, 60):
        lane = desk.notifier._groups[0].lanes[0]
        assert lane._retry_s - desk.clock_s == pause_s
        desk.go(pause_s)


@pytest.mark.parametrize("answer", [500, 503, 408, 429])
def test_an_answer_that_asks_to_come_again_is_believed(
    desk: Desk, inbox: Inbox, answer: int
) -> None:
    desk.want(inbox.url)
    desk.go()
    desk.job().see("a.jpg")
    inbox.answer = answer
    assert desk.go() == Sent(waiting=1, failed=1)
    inbox.answer = 200
    assert desk.go(1) == Sent(sent=1)
    assert inbox.refused[0].event == inbox.got[0].event


@pytest.mark.parametrize("answer", [400, 401, 404, 410, 301])
def test_an_address_that_is_wrong_holds_nothing_up_and_is_said_once(
    desk: Desk, inbox: Inbox, answer: int, caplog: pytest.LogCaptureFixture
) -> None:
    desk.want(inbox.url)
    desk.go()
    job = desk.job()
    job.see("a.jpg", "b.jpg")
    inbox.answer = answer
    assert desk.go() == Sent(refused=2)
    inbox.answer = 200
    job.see("c.jpg")
    assert desk.go() == Sent(sent=1)
    said = [record for record in caplog.records if record.action == "notice_refused"]  # type: ignore[attr-defined]
    assert len(said) == 1
    assert f"got {answer}" in said[0].reason  # type: ignore[attr-defined]
    assert "/hook" not in said[0].reason  # type: ignore[attr-defined]


def test_a_receiver_that_is_down_keeps_no_other_waiting(desk: Desk, inbox: Inbox) -> None:
    rules = [
        {
            "name": "down",
            "when": {"label": "person"},
            "webhook": f"http://127.0.0.1:{free_port()}/",
        },
        {"name": "up", "when": {"label": "person"}, "webhook": inbox.url},
    ]
    desk.rules = {"detect": notice_rules(rules, "here")}
    desk.go()
    desk.job().see("a.jpg")
    assert desk.go() == Sent(sent=1, waiting=1, failed=1)


def test_what_arrived_before_a_crash_has_the_same_id_after_it(desk: Desk, inbox: Inbox) -> None:
    desk.want(inbox.url)
    desk.go()
    job = desk.job()
    job.see("a.jpg")
    desk.go()
    ledger = desk.home.jobs.folder / ".notices" / desk.ledgers[0]
    before = ledger.read_bytes()
    job.see("b.jpg")
    desk.go(100)
    desk.die()
    ledger.write_bytes(before)  # as if it had crashed between the answer and the ledger
    assert desk.go() == Sent(sent=1)
    assert [one.event["i"] for one in inbox.got] == [0, 1, 1]
    assert inbox.got[1].event == inbox.got[2].event


def test_of_a_chunk_that_was_begun_only_the_rest_is_told(desk: Desk, inbox: Inbox) -> None:
    desk.want(inbox.url)
    desk.go()
    job = desk.job()
    job.plan(3)
    job.publish(0, *(person(i, job.item(f"{i}.jpg")) for i in range(3)))
    inbox.answers += [200, 503]
    assert desk.go() == Sent(sent=1, waiting=1, failed=1)
    desk.die()
    assert desk.go() == Sent(sent=2)
    assert [one.event["i"] for one in inbox.got] == [0, 1, 2]


def test_a_corrected_address_gets_what_waits(desk: Desk, inbox: Inbox) -> None:
    desk.want(f"http://127.0.0.1:{free_port()}/hook")
    desk.go()
    desk.job().see("a.jpg")
    assert desk.go() == Sent(waiting=1, failed=1)
    desk.want(inbox.url)
    assert desk.go() == Sent(sent=1)
    assert len(desk.ledgers) == 1


def test_a_rule_that_was_away_does_not_come_back_with_old_news(desk: Desk, inbox: Inbox) -> None:
    desk.want(inbox.url)
    desk.go()
    job = desk.job()
    rules, desk.rules = desk.rules, {}
    desk.go()
    assert desk.ledgers == []
    job.see("meanwhile.jpg")
    desk.rules = rules
    assert desk.go() == Sent()
    job.see("again.jpg")
    assert desk.go() == Sent(sent=1)


def test_results_that_cannot_be_read_hold_nothing_up(desk: Desk, inbox: Inbox) -> None:
    desk.want(inbox.url)
    desk.go()
    job = desk.job()
    job.plan(1)
    desk.home.jobs.chunk_file(job.job_id, 0).write_bytes(b"\0\0\0\n")
    job.see("b.jpg")
    assert desk.go() == Sent(sent=1)


# -- what a webhook looks like -----------------------------------------------------------------


def write_secret(desk: Desk, text: str, mode: int = 0o600) -> Path:
    path = desk.home.state_dir / "secrets" / "webhook"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_webhook_is_signed_as_the_standard_library_of_receivers_wants_it(
    desk: Desk, inbox: Inbox
) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    write_secret(desk, secret + "\n")
    desk.want(inbox.url)
    desk.go()
    desk.job().see("a.jpg")
    desk.go()
    (got,) = inbox.got
    event = Verifier(secret).verify(got.body, got.headers)
    assert event["id"] == got.headers["webhook-id"]
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60
    assert got.headers["content-type"] == "application/json"


def test_without_a_secret_it_is_not_signed_and_the_log_says_so_once(
    desk: Desk, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    desk.want(inbox.url)
    desk.go()
    desk.job().see("a.jpg", "b.jpg")
    desk.go()
    assert ["webhook-signature" in got.headers for got in inbox.got] == [False, False]
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        "webhooks are not signed"
    ]


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        pytest.param("whsec_MTIz", 0o644, "chmod 600", id="others can read it"),
        pytest.param("hunter2!", 0o600, "base64", id="not base64"),
        pytest.param("", 0o600, "base64", id="empty"),
    ],
)
def test_a_bad_secret_keeps_the_notices_until_it_is_mended(
    desk: Desk, inbox: Inbox, caplog: pytest.LogCaptureFixture, text: str, mode: int, words: str
) -> None:
    write_secret(desk, text, mode)
    desk.want(inbox.url)
    desk.go()
    desk.job().see("a.jpg")
    assert desk.go() == Sent(waiting=1, failed=1)
    assert words in caplog.records[-1].reason  # type: ignore[attr-defined]
    write_secret(desk, "whsec_MTIz")
    assert desk.go(1) == Sent(sent=1)


def test_no_log_line_shows_the_address(
    desk: Desk, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.want(inbox.url)
    desk.go()
    desk.job().see("a.jpg")
    desk.go()
    lines = [json.dumps(vars(record), default=str) for record in caplog.records]
    assert len(inbox.got) == 1
    assert [line for line in lines if "/hook" in line and "nasfarm" in line] == []
    assert [record.name for record in caplog.records if record.name == "httpx"] == []


@pytest.mark.parametrize(
    ("size", "comes"),
    [
        pytest.param(1024, True, id="just small enough"),
        pytest.param(1025, False, id="too large"),
        pytest.param(None, False, id="gone"),
    ],
)
def test_a_small_picture_comes_along(
    desk: Desk, inbox: Inbox, size: int | None, comes: bool
) -> None:
    desk.want(inbox.url, attach_kb=1)
    desk.go()
    job = desk.job()
    path = desk.home.roots["home"] / job.item("cam/a.jpg").removeprefix("home:")
    path.parent.mkdir(parents=True)
    if size is not None:
        path.write_bytes(b"p" * size)
    job.see("cam/a.jpg")
    assert desk.go() == Sent(sent=1)
    picture = inbox.got[0].event.get("picture")
    assert (picture is not None) is comes
    if picture:
        assert base64.b64decode(picture["base64"]) == b"p" * 1024
        assert (picture["name"], picture["type"]) == ("a.jpg", "image/jpeg")


def test_no_link_leads_to_a_picture_outside_the_root(desk: Desk, inbox: Inbox) -> None:
    desk.want(inbox.url, attach_kb=1)
    desk.go()
    job = desk.job()
    path = desk.home.roots["home"] / job.item("a.jpg").removeprefix("home:")
    path.parent.mkdir(parents=True)
    path.symlink_to("/etc/hostname")
    job.see("a.jpg")
    assert desk.go() == Sent(sent=1)
    assert "picture" not in inbox.got[0].event
