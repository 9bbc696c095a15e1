"""Roots: adding them, whether their disk is there, and which of them a path lies in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nasfarm.errors import RejectError
from nasfarm.nodes.roots import add_root, known_roots, present, record, root_of


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x")
    return folder


def test_an_added_root_is_present_and_known_with_its_id(state: Path, photos: Path) -> None:
    root = add_root(state, "photos", photos, {})
    assert (photos / ".farm-root").is_file()
    assert present(root)
    assert known_roots(state, {"photos": photos}) == (root,)
    assert (state / "roots.json").stat().st_mode & 0o777 == 0o600


def test_a_folder_keeps_the_id_it_has_when_a_second_farm_adds_it(
    state: Path, photos: Path, tmp_path: Path
) -> None:
    first = add_root(state, "photos", photos, {})
    before = (photos / ".farm-root").read_bytes()
    second = add_root(tmp_path / "state2", "pictures", photos, {})
    assert second.id == first.id
    assert (photos / ".farm-root").read_bytes() == before


def test_two_folders_have_two_ids(state: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    first = add_root(state, "photos", photos, {})
    assert add_root(state, "films", tmp_path / "films", {"photos": photos}).id != first.id
    assert present(first)


def test_a_root_without_its_sentinel_is_away_not_empty(state: Path, photos: Path) -> None:
    root = add_root(state, "photos", photos, {})
    photos.rename(photos.with_name("unmounted"))
    assert not present(root)
    photos.mkdir()
    assert not present(root)


def test_another_disk_in_the_same_place_is_not_the_root(
    state: Path, photos: Path, tmp_path: Path
) -> None:
    root = add_root(state, "photos", photos, {})
    photos.rename(photos.with_name("unmounted"))
    photos.mkdir()
    add_root(tmp_path / "state2", "photos", photos, {})
    assert not present(root)


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 1}', b"\xff"])
def test_a_broken_sentinel_is_away_and_says_so_when_added(
    state: Path, photos: Path, content: bytes
) -> None:
    root = add_root(state, "photos", photos, {})
    (photos / ".farm-root").write_bytes(content)
    assert not present(root)
    with pytest.raises(RejectError, match=r"\.farm-root.*Delete"):
        add_root(state, "photos", photos, {})


def test_a_root_that_was_never_recorded_here_is_away(state: Path, photos: Path) -> None:
    add_root(state, "photos", photos, {})
    (other,) = known_roots(state, {"others": photos})
    assert not present(other)


def test_adding_again_is_harmless_and_puts_a_deleted_sentinel_back(
    state: Path, photos: Path
) -> None:
    root = add_root(state, "photos", photos, {})
    (photos / ".farm-root").unlink()
    assert add_root(state, "photos", photos, {"photos": photos}) == root
    assert present(root)


def test_an_empty_folder_is_not_marked_in_place_of_a_disk_that_is_away(
    state: Path, photos: Path
) -> None:
    add_root(state, "photos", photos, {})
    photos.rename(photos.with_name("unmounted"))
    photos.mkdir()
    with pytest.raises(RejectError, match=r"it is empty.*Mount the disk"):
        add_root(state, "photos", photos, {"photos": photos})
    assert list(photos.iterdir()) == []


def test_a_folder_nothing_can_be_written_to_is_known_by_its_disk(state: Path) -> None:
    folder = Path("/sys/kernel")
    if not folder.is_dir():
        pytest.skip("this machine has no /sys")
    root = add_root(state, "kernel", folder, {})
    assert root.id.startswith("read-only:")
    assert present(root)
    assert add_root(state, "kernel", folder, {"kernel": folder}) == root
    elsewhere = type(root)("kernel", folder.parent, root.id)
    assert not present(elsewhere)


def test_a_farms_home_is_recorded_like_a_root(state: Path, photos: Path) -> None:
    assert present(record(state, "home", photos))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("home", "the farm's own", id="home"),
        pytest.param("Photos", "small letters", id="capital"),
        pytest.param("a:b", "small letters", id="colon"),
        pytest.param("", "small letters", id="empty"),
        pytest.param("a" * 33, "1 to 32", id="long"),
    ],
)
def test_a_name_that_is_none_is_refused(state: Path, photos: Path, name: str, words: str) -> None:
    with pytest.raises(RejectError, match=words):
        add_root(state, name, photos, {})
    assert not (photos / ".farm-root").exists()


@pytest.mark.parametrize(
    ("name", "found"),
    [pytest.param("a.jpg", "a file", id="file"), pytest.param("b", "nothing", id="missing")],
)
def test_a_path_that_is_no_folder_is_refused(
    state: Path, photos: Path, name: str, found: str
) -> None:
    with pytest.raises(RejectError, match=f"got {found}, wanted an existing folder"):
        add_root(state, "photos", photos / name, {})


def test_a_name_stands_for_one_folder_and_a_folder_for_one_name(
    state: Path, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(RejectError, match="Choose another name"):
        add_root(state, "photos", photos, {"photos": tmp_path / "elsewhere"})
    (tmp_path / "link").symlink_to(photos)
    with pytest.raises(RejectError, match="is root 'pictures' already"):
        add_root(state, "photos", tmp_path / "link", {"pictures": photos})


def test_a_root_added_through_a_link_is_the_folder_it_leads_to(
    state: Path, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(photos)
    assert add_root(state, "photos", tmp_path / "link", {}).path == photos


def test_a_path_belongs_to_the_deepest_root_around_it(tmp_path: Path, photos: Path) -> None:
    roots = {"all": tmp_path, "photos": photos, "photo": tmp_path / "photo"}
    (tmp_path / "link.jpg").symlink_to(photos / "a.jpg")
    (photos / "out").symlink_to("/")
    name = os.fsdecode(b"caf\xe9.jpg")
    assert root_of(photos / "a.jpg", roots) == ("photos", b"a.jpg")
    assert root_of(photos / "x" / ".." / "a.jpg", roots) == ("photos", b"a.jpg")
    assert root_of(tmp_path / "b.jpg", roots) == ("all", b"b.jpg")
    assert root_of(tmp_path / "link.jpg", roots) == ("photos", b"a.jpg")
    assert root_of(photos / name, roots) == ("photos", b"caf\xe9.jpg")
    assert root_of(photos, roots) == ("photos", b"")
    assert root_of(photos / "out" / "etc", roots) is None
    assert root_of(Path("/etc"), {"slash": Path("/")}) == ("slash", b"etc")
