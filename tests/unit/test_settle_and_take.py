"""Dropped files are taken once they hold still, each exactly once, and never over another."""

from __future__ import annotations

import os
import tempfile
import threading
from datetime import datetime
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasfarm.errors import RejectError
from nasfarm.intake.dropped import not_planned, recipe_folders, taken_days, waiting
from nasfarm.intake.settle import Look, Mark, Settling
from nasfarm.intake.take import MARK, is_being_written, is_foreign, put_on_disk, take
from needs import needs

NOON = datetime(2026, 5, 4, 12, 0, 1, 250_000)


def look(path: str, size: int = 1) -> Look:
    return Look(path, Mark(size, 0, 1))


def test_a_file_is_ready_when_it_held_still_for_long_enough() -> None:
    settling = Settling(3.0)
    assert settling.looked([look("a")], 10.0) == []
    assert settling.looked([look("a")], 12.9) == []
    assert settling.looked([look("a")], 13.0) == ["a"]


def test_a_file_that_grows_waits_anew() -> None:
    settling = Settling(3.0)
    settling.looked([look("a", 1)], 0.0)
    assert settling.looked([look("a", 2)], 3.0) == []
    assert settling.looked([look("a", 2)], 6.0) == ["a"]


def test_a_file_that_went_away_and_came_back_waits_anew() -> None:
    settling = Settling(3.0)
    settling.looked([look("a")], 0.0)
    settling.looked([], 1.0)
    assert settling.looked([look("a")], 3.5) == []
    assert len(settling) == 1


def test_the_longest_waiting_come_first() -> None:
    settling = Settling(1.0)
    settling.looked([look("b")], 0.0)
    settling.looked([look("a"), look("b")], 0.5)
    assert settling.looked([look("a"), look("b")], 2.0) == ["b", "a"]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3)), min_size=1, max_size=30))
def test_no_file_is_ready_that_changed_within_the_time(steps: list[tuple[bool, int]]) -> None:
    settling, now, size, changed = Settling(3.0), 0.0, 1, 0.0
    for grows, seconds in steps:
        now += seconds
        if grows:
            size, changed = size + 1, now
        ready = settling.looked([look("a", size)], now)
        assert not ready or now - changed >= 3.0 or changed == 0.0


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "detect" / "cam").mkdir(parents=True)
    return tmp_path


def drop(inbox: Path, below: str, content: bytes = b"x") -> Path:
    path = inbox / "detect" / below
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def taken_by(inbox: Path, below: str) -> Path | None:
    target = inbox / ".taken" / "detect" / "2026-05-04"
    return take(inbox / "detect" / below, PurePath(below), target, NOON)


def test_a_taken_file_keeps_its_folders_and_its_name(inbox: Path) -> None:
    source = drop(inbox, "cam/雨.jpg", b"rain")
    path = taken_by(inbox, "cam/雨.jpg")
    assert path == inbox / ".taken/detect/2026-05-04/cam/雨.jpg"
    assert path.read_bytes() == b"rain" and not source.exists()
    assert [each.name for each in path.parent.iterdir()] == ["雨.jpg"]


def test_a_name_that_is_taken_gets_the_time_of_day(inbox: Path) -> None:
    names = []
    for content in (b"1", b"2", b"3"):
        drop(inbox, "snapshot.jpg", content)
        path = taken_by(inbox, "snapshot.jpg")
        assert path is not None and path.read_bytes() == content
        names.append(path.name)
    assert names == [
        "snapshot.jpg", "snapshot-120001.250.jpg", "snapshot-120001.250-2.jpg"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a" * 251 + ".jpg", id="as-long-as-names-may-be"),
        pytest.param("雨" * 83 + ".jpg", id="of-long-letters"),
        pytest.param("jpg", id="no-ending"),
        pytest.param(os.fsdecode(b"caf\xe9.jpg"), id="not-utf-8"),
    ],
)
def test_any_name_can_be_taken_twice(inbox: Path, name: str) -> None:
    paths = []
    for content in (b"1", b"2"):
        drop(inbox, name, content)
        paths.append(taken_by(inbox, name))
    assert [path and path.read_bytes() for path in paths] == [b"1", b"2"]


def test_a_file_that_is_gone_is_nobody_s(inbox: Path) -> None:
    assert taken_by(inbox, "gone.jpg") is None
    assert not any((inbox / ".taken").rglob("*.jpg"))


def test_of_several_watchers_one_gets_each_file_and_none_is_overwritten(inbox: Path) -> None:
    folders = [f"f{n}/same.jpg" for n in range(40)]
    for below in folders:
        drop(inbox, below, below.encode())
    got: list[Path] = []
    target = inbox / ".taken" / "detect" / "2026-05-04"

    def watcher() -> None:
        for below in folders:  # all into one folder, under one name
            path = take(inbox / "detect" / below, PurePath("same.jpg"), target, NOON)
            if path is not None:
                got.append(path)

    threads = [threading.Thread(target=watcher) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == len(got) == 40
    assert {path.read_bytes().decode() for path in got} == set(folders)


def test_a_file_on_another_disk_stays_there_and_the_reason_is_told(inbox: Path) -> None:
    """A rename is what takes a file, and no rename leads from one disk to another."""
    (inbox / ".taken").mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        needs(os.stat(elsewhere).st_dev != inbox.stat().st_dev, "/dev/shm is no disk of its own")
        source = Path(elsewhere) / "a.jpg"
        source.write_bytes(b"x")
        with pytest.raises(RejectError, match="cannot be taken"):
            take(source, PurePath("a.jpg"), inbox / ".taken" / "detect" / "2026-05-04", NOON)
        assert source.read_bytes() == b"x"
    assert not any(path.is_file() for path in inbox.rglob("*"))


def test_who_is_not_asked_by_the_owner_tells_nothing_of_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    path.touch()
    for user, foreign in ((0, False), (path.stat().st_uid, False), (12345, True)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert is_foreign(path) is foreign
    assert not is_foreign(tmp_path / "gone")


@pytest.mark.parametrize("name", ["@eaDir", "2026-11-23 copy", "2026-13-40", "Thumbs.db"])
def test_what_is_no_day_among_the_taken_is_left_alone(inbox: Path, name: str) -> None:
    (inbox / ".taken" / "detect" / name).mkdir(parents=True)
    (inbox / ".taken" / "detect" / "2026-05-05").touch()
    assert list(taken_days(inbox)) == []


def test_a_place_that_a_dead_watcher_kept_is_left_alone(inbox: Path) -> None:
    target = inbox / ".taken" / "detect" / "2026-05-04"
    target.mkdir(parents=True)
    (target / f"{MARK}a.jpg").touch()
    drop(inbox, "a.jpg")
    path = taken_by(inbox, "a.jpg")
    assert path is not None and path.name == "a-120001.250.jpg"


def test_a_file_that_somebody_writes_is_seen_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    with open(path, "wb") as file:
        file.write(b"half")
        file.flush()
        assert is_being_written(path)
    assert not is_being_written(path)
    assert not is_being_written(tmp_path / "gone")


@pytest.mark.parametrize("count", [pytest.param(2, id="few"), pytest.param(40, id="many")])
def test_what_was_taken_is_put_on_disk_and_what_is_gone_does_not_matter(
    tmp_path: Path, count: int
) -> None:
    paths = [tmp_path / f"{n}.jpg" for n in range(count)]
    for path in paths[1:]:
        path.write_bytes(b"x")
    put_on_disk(paths)


def test_only_whole_pictures_and_videos_wait(inbox: Path) -> None:
    for name in (
        "a.jpg", "b.JPEG", "c.mp4", "d.heic", "cam/e.png", "notes.txt", "f.jpg.part", "~g.jpg",
        ".h.jpg", "Thumbs.db", "@eaDir/a.jpg", "i.jpg.crdownload", "#recycle/j.jpg",
    ):  # fmt: skip
        drop(inbox, name)
    (inbox / "detect" / "link.jpg").symlink_to(inbox / "detect" / "a.jpg")
    found = sorted(each.path for each in waiting(inbox / "detect"))
    assert found == ["a.jpg", "b.JPEG", "c.mp4", "cam/e.png", "d.heic"]


def test_the_taken_files_of_a_day_are_found_without_what_the_farm_puts_beside(inbox: Path) -> None:
    for name in ("a.jpg", "cam/b.jpg"):
        drop(inbox, name)
        path = taken_by(inbox, name)
        assert path is not None
        path.with_name(path.name + ".json").write_text("{}")
    day = inbox / ".taken" / "detect" / "2026-05-04"
    (day / "results.csv").touch()
    assert list(taken_days(inbox)) == [("detect", "2026-05-04")]
    planned = {f"home:{inbox.name}/.taken/detect/2026-05-04/a.jpg"}
    of_day = (inbox, "detect", day.name)
    assert not_planned(*of_day, set()) == [day / "a.jpg", day / "cam/b.jpg"]
    assert not_planned(*of_day, planned) == [day / "cam/b.jpg"]
    assert recipe_folders(inbox) == ["detect"]
