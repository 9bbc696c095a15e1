"""Logs: JSON lines in a bounded file or on stderr, short lines on a terminal."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nasfarm import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level


def test_a_file_gets_one_json_line_a_record_with_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "agent.log"
    log.setup("info", path)
    fields = {"action": "chunk_done", "chunk": 3, "path": Path("/a\udce9")}
    logging.getLogger("nasfarm.x").info("chunk done", extra=fields)
    logging.getLogger("nasfarm.x").debug("unheard")
    (line,) = [json.loads(text) for text in path.read_text().splitlines()]
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "nasfarm.x",
        "message": "chunk done",
        "action": "chunk_done",
        "chunk": 3,
        "path": line["path"],
    }


def test_an_exception_stays_on_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    log.setup("info", None)
    try:
        raise ValueError("no\nway")
    except ValueError:
        logging.getLogger("x").exception("it broke")
    (text,) = stderr.getvalue().splitlines()
    assert "ValueError: no\nway" in json.loads(text)["traceback"]


def test_a_terminal_gets_short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    log.setup("info", None)
    logging.getLogger("x").warning("slot restarts", extra={"action": "slot_restart", "slot": 1})
    assert stderr.getvalue().endswith(" warning: slot restarts  slot=1\n")


def test_a_file_never_grows_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "FILE_BYTES", 2_000)
    log.setup("info", tmp_path / "a.log")
    for number in range(500):
        logging.getLogger("x").info("a sentence", extra={"number": number})
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == log.KEPT_FILES + 1
    assert max(sizes) <= 2_000


def test_setting_up_again_replaces_the_place(tmp_path: Path) -> None:
    log.setup("info", tmp_path / "a.log")
    log.setup("info", tmp_path / "b.log")
    logging.getLogger("x").info("once")
    assert (tmp_path / "a.log").read_text() == ""
    assert len((tmp_path / "b.log").read_text().splitlines()) == 1
