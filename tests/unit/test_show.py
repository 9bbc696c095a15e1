"""What a person reads at a terminal, and a program or a log elsewhere."""

from __future__ import annotations

import itertools
import sys

import pytest

from nasfarm.cli import show
from nasfarm.cli.found import words
from nasfarm.cli.show import Follower, table
from nasfarm.cli.waiting import handed_in, outcome
from nasfarm.core.jobs import Progress, Skipped, State
from nasfarm.core.requests import Submitted


def running(done: int, note: str = "") -> Progress:
    return Progress("detect-1", State.RUNNING, 1000, done, 0, 10, 0, 8.0, 60.0, note)


def test_a_table_stays_in_columns_where_names_are_chinese(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table(("picture", "found"), [("照片.jpg", "a"), ("photo.jpg", "b"), ("e\u0301t.jpg", "c")])
    assert capsys.readouterr().out.splitlines() == [
        "picture    found",
        "照片.jpg   a",  # eight columns
        "photo.jpg  b",
        "e\u0301t.jpg     c",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param({"detections": []}, "nothing", id="nothing"),
        pytest.param({"texts": []}, "nothing", id="no-text"),
        pytest.param({"error": {"code": "decode", "message": "…"}}, "failed: decode", id="fault"),
        pytest.param(
            {
                "detections": [
                    {"label": "dog", "score": 0.4},
                    {"label": "cat", "score": 0.5},
                    {"label": "dog", "score": 0.613},
                ]
            },
            "2 × dog (0.61), 1 × cat (0.50)",
            id="the-best-score-of-each-kind",
        ),
        pytest.param({"texts": [{"text": "出口"}, {"text": "EXIT"}]}, "出口 / EXIT", id="texts"),
        pytest.param(
            {"classes": [{"label": "tabby", "score": 0.613}, {"label": "lynx", "score": 0.2}]},
            "tabby (0.61), lynx (0.20)",
            id="classes",
        ),
        pytest.param({"classes": []}, "nothing", id="no-class"),
        pytest.param({"embedding": 0}, "embedding", id="embedding"),
    ],
)
def test_a_line_is_told_in_a_few_words(line: dict[str, object], said: str) -> None:
    assert words(line) == said


def test_words_about_a_long_text_end_before_the_screen_does() -> None:
    said = words({"texts": [{"text": "x" * 500}]})
    assert len(said) == 72
    assert said.endswith("…")


def test_where_there_is_no_terminal_progress_is_told_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count()
    monkeypatch.setattr(show.time, "monotonic", lambda: next(seconds) / 4)
    follower = Follower()
    for done in range(1000):
        follower(running(done))
    follower(Progress("detect-1", State.DONE, 1000, 1000, 0, 10, 10))
    told = capsys.readouterr().err.splitlines()
    assert 5 <= len(told) <= 11
    assert told[0].startswith("detect-1: ")
    assert told[0].endswith(" of 1000 pictures, 8 images/s, 60 s left")


def test_what_holds_a_job_up_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    follower = Follower()
    for _ in range(3):
        follower(running(0, note="no node is running. Start one with: farm up"))
    assert capsys.readouterr().err == "detect-1: no node is running. Start one with: farm up\n"


def test_a_bar_is_narrower_than_the_terminal_and_wiped_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    follower = Follower()
    follower(running(500))
    follower(Progress("detect-1", State.DONE, 1000, 1000, 0, 10, 10))
    wiped, bar, end = capsys.readouterr().err.split("\r\x1b[K")
    assert (wiped, end) == ("", "")
    assert bar == "[############............] 500 of 1000 pictures, 8 images/s"[:39]


def test_a_quiet_follower_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Follower(quiet=True)(running(1, note="no node is running"))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("ok", "errors", "hints"),
    [
        pytest.param(3, 0, ["results", "report"], id="all-good"),
        pytest.param(0, 3, ["failed"], id="all-failed"),
        pytest.param(2, 1, ["results", "report", "failed"], id="both"),
    ],
)
def test_the_end_of_a_job_names_the_commands_that_make_sense(
    ok: int, errors: int, hints: list[str]
) -> None:
    first, *rest = outcome(Progress("ocr-1", State.DONE, 3, ok, errors, 1, 1, 2.0))
    assert first == f"ocr-1: done, {ok} ok, {errors} failed, 2 images/s"
    assert [line.partition("farm ")[2] for line in rest] == [f"{hint} ocr-1" for hint in hints]


def test_a_job_that_cannot_be_finished_says_why() -> None:
    said = outcome(Progress("ocr-1", State.FAILED, 3, 0, 0, 1, 0, note="its model is gone"))
    assert said == ["ocr-1: failed, 0 ok, 0 failed", "its model is gone"]


def test_what_was_left_out_is_said_in_words() -> None:
    done = Submitted("ocr-1", False, 1, 1, Skipped(done=27, system=1))
    said = handed_in(done, dry_run=False)
    assert said == "1 picture handed in. Left out: done before (27), hidden or the system's (1)."
