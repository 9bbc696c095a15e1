"""Files that stay: each is looked at once, and again once it holds something new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nasfarm.core.items import Item
from nasfarm.errors import StorageError
from nasfarm.intake.seen import Left, Lens, Seen, opened

LENS = Lens("detect", "nanodet-g@1/int8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox" / "detect"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def seen(tmp_path: Path, folder: Path) -> Iterator[Seen]:
    with opened(tmp_path / "inbox" / ".seen.sqlite", tmp_path) as seen:
        yield seen


def look(seen: Seen, *paths: Path, lens: Lens = LENS) -> list[Left]:
    """What one look finds new; it is noted."""
    left = seen.read(lens, seen.fresh(lens, paths))
    seen.add(lens, left)
    return left


def firsts(left: list[Left]) -> dict[str, str]:
    return {each.found.item: each.found.same_as for each in left}


def put(path: Path, content: bytes, seconds: int = 0) -> Path:
    path.write_bytes(content)
    if seconds:
        os.utime(path, (seconds, seconds))
    return path


def test_a_file_is_new_once(seen: Seen, folder: Path) -> None:
    path = put(folder / "雨.jpg", b"one")
    assert firsts(look(seen, path)) == {"home:inbox/detect/雨.jpg": ""}
    assert look(seen, path) == []


def test_the_same_content_names_the_first_that_had_it(seen: Seen, folder: Path) -> None:
    first, second, third = (put(folder / f"{n}.jpg", b"one") for n in range(3))
    assert firsts(look(seen, first, second)) == {
        "home:inbox/detect/0.jpg": "",
        "home:inbox/detect/1.jpg": "home:inbox/detect/0.jpg",
    }
    assert firsts(look(seen, third)) == {"home:inbox/detect/2.jpg": "home:inbox/detect/0.jpg"}


def test_a_file_that_was_touched_is_the_same_as_itself(seen: Seen, folder: Path) -> None:
    path = put(folder / "a.jpg", b"one")
    look(seen, path)
    put(path, b"one", seconds=1_000_000_000)
    assert firsts(look(seen, path)) == {"home:inbox/detect/a.jpg": "home:inbox/detect/a.jpg"}
    assert look(seen, path) == []


def test_a_file_with_something_else_in_it_is_new(seen: Seen, folder: Path) -> None:
    path = put(folder / "a.jpg", b"one")
    look(seen, path)
    put(path, b"two", seconds=1_000_000_000)
    assert firsts(look(seen, path)) == {"home:inbox/detect/a.jpg": ""}


@pytest.mark.parametrize(
    "lens",
    [
        pytest.param(Lens("detect", "nanodet-g@2/int8"), id="another-model"),
        pytest.param(Lens("read-text", LENS.models), id="another-recipe"),
    ],
)
def test_who_has_not_looked_at_it_finds_it_new(seen: Seen, folder: Path, lens: Lens) -> None:
    path = put(folder / "a.jpg", b"one")
    look(seen, path)
    assert firsts(look(seen, path, lens=lens)) == {"home:inbox/detect/a.jpg": ""}


def test_what_was_seen_outlives_the_watcher(tmp_path: Path, folder: Path) -> None:
    path, file = put(folder / "a.jpg", b"one"), tmp_path / "inbox" / ".seen.sqlite"
    for new in (1, 0):
        with opened(file, tmp_path) as seen:
            assert len(look(seen, path)) == new


def test_what_was_handed_in_just_before_a_crash_is_recalled(seen: Seen, folder: Path) -> None:
    same, other = put(folder / "a.jpg", b"one"), put(folder / "b.jpg", b"two")
    states = [path.stat() for path in (same, other)]
    items = [
        Item(i, f"home:inbox/detect/{name}.jpg", state.st_size, state.st_mtime_ns)
        for i, (name, state) in enumerate(zip("ab", states, strict=True))
    ]
    put(other, b"three", seconds=1_000_000_000)
    seen.recall(LENS, items)
    assert firsts(look(seen, same, other)) == {"home:inbox/detect/b.jpg": ""}


def test_what_goes_meanwhile_is_left_out(seen: Seen, folder: Path) -> None:
    path = put(folder / "a.jpg", b"one")
    fresh = seen.fresh(LENS, [path, folder / "gone.jpg"])
    path.unlink()
    assert fresh == [path]
    assert seen.read(LENS, fresh) == []


def test_a_file_that_is_no_database_is_told_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "seen").write_bytes(b"no database at all, " * 100)
    with (
        pytest.raises(StorageError, match="seen of the drop folder"),
        opened(tmp_path / "seen", tmp_path),
    ):
        pass
