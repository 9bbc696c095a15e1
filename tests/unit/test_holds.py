"""The files in the home that keep a node from taking work."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nasfarm.core.nodes import Hold, NodeReport, sentence
from nasfarm.errors import RejectError, StorageError
from nasfarm.nodes.holds import hold, hold_of, introduce, known_nodes, release


def file_of(home: Path, node: str = "nas") -> Path:
    return home / "nodes" / f"{node}.json"


def test_a_node_nobody_spoke_of_takes_work(tmp_path: Path) -> None:
    assert hold_of(tmp_path, "nas") is None
    assert not release(tmp_path, "nas")
    assert known_nodes(tmp_path) == set()


def test_a_paused_node_says_since_when_and_how_it_goes_on(tmp_path: Path) -> None:
    now = time.time()
    held = hold(tmp_path, "nas", "pause", now)
    clock = time.strftime("%H:%M", time.localtime(now))
    text = f"paused by hand since {clock}; go on with: farm resume nas"
    assert held == hold_of(tmp_path, "nas") == Hold("pause", now, text)


def test_a_hold_of_another_day_says_which_day(tmp_path: Path) -> None:
    text = hold(tmp_path, "nas", "drain", 86_400 * 365).text
    assert text.startswith("drained by hand since 1971-01-01 ")


def test_a_hold_ends_only_once(tmp_path: Path) -> None:
    hold(tmp_path, "nas", "pause", time.time())
    assert release(tmp_path, "nas")
    assert hold_of(tmp_path, "nas") is None
    assert not release(tmp_path, "nas")


def test_said_twice_a_hold_keeps_its_time_and_another_one_replaces_it(tmp_path: Path) -> None:
    hold(tmp_path, "nas", "pause", 1000)
    assert hold(tmp_path, "nas", "pause", 2000).since_s == 1000
    assert hold(tmp_path, "nas", "drain", 3000).since_s == 3000
    assert hold_of(tmp_path, "nas") == hold(tmp_path, "nas", "drain", 4000)


def test_one_nodes_hold_is_not_anothers(tmp_path: Path) -> None:
    hold(tmp_path, "nas", "pause", time.time())
    introduce(tmp_path, "nas.2")
    assert hold_of(tmp_path, "nas.2") is None
    assert known_nodes(tmp_path) == {"nas", "nas.2"}


def test_a_node_that_begins_is_known_and_keeps_its_hold(tmp_path: Path) -> None:
    introduce(tmp_path, "nas")
    assert known_nodes(tmp_path) == {"nas"}
    assert hold_of(tmp_path, "nas") is None
    before = hold(tmp_path, "nas", "pause", time.time())
    introduce(tmp_path, "nas")
    assert hold_of(tmp_path, "nas") == before


def test_a_share_without_hard_links_has_nodes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    introduce(tmp_path, "nas")
    assert hold_of(tmp_path, "nas") is None
    assert [path.name for path in (tmp_path / "nodes").iterdir()] == ["nas.json"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 64, id="zeros"),
        pytest.param(b'{"format": 1, "reas', id="torn"),
        pytest.param(b"{}", id="nothing-in-it"),
        pytest.param(b"[]", id="another-thing"),
        pytest.param(b'{"format": 2, "reason": null}', id="newer"),
        pytest.param(b'{"format": 1, "reason": "heat", "since_s": 1}', id="a-reason-to-come"),
        pytest.param(b'{"format": 1, "reason": "pause", "since_s": 1e300}', id="no-time"),
    ],
)
def test_a_damaged_file_holds_its_node_until_somebody_says_to_go_on(
    tmp_path: Path, content: bytes
) -> None:
    introduce(tmp_path, "nas")
    file_of(tmp_path).write_bytes(content)
    held = hold_of(tmp_path, "nas")
    assert held is not None
    assert held.reason == "pause"
    assert str(file_of(tmp_path)) in held.text
    assert held.text.endswith("go on with: farm resume nas")
    assert release(tmp_path, "nas")
    assert hold_of(tmp_path, "nas") is None


def test_a_file_that_cannot_be_read_says_nothing_of_its_node(tmp_path: Path) -> None:
    file_of(tmp_path).mkdir(parents=True)
    with pytest.raises(StorageError, match=r"nas\.json"):
        hold_of(tmp_path, "nas")


@pytest.mark.parametrize("name", ["", "../nas", "a/b", ".hidden", "nas\n", "n" * 64, "a b"])
def test_what_is_no_name_of_a_node_becomes_no_path(tmp_path: Path, name: str) -> None:
    for use in (hold_of, release, lambda home, node: hold(home, node, "pause", 1.0)):
        with pytest.raises(RejectError, match="letters, digits"):
            use(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_report_of_all_that_holds_a_node_is_one_sentence() -> None:
    held = (Hold("storage", 1.0, "The disk is full."), Hold("pause", 2.0, "paused by hand"))
    report = NodeReport("nas", "b", "0", 1, (), (), (), paused=sentence(held), held=held)
    assert report.paused == "The disk is full. paused by hand"
    assert report.held_by("drain", "pause")
    assert not report.held_by("drain")
