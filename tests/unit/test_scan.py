"""What becomes an item, what is counted and what is refused, on real files and links."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nasfarm.core.items import split_address
from nasfarm.errors import RejectError
from nasfarm.intake.patterns import matching
from nasfarm.intake.scan import Tally, scan
from nasfarm.nodes.roots import root_of
from pictures import socket_at


class Scanned:
    """What a scan of `arguments` found and left out; roots `photos` and `home` below `top`."""

    def __init__(self, top: Path, *arguments: Path | str) -> None:
        roots = {"photos": top / "photos", "home": top / "photos" / "nasfarm"}
        self.tally = Tally()
        named = (str(argument) for argument in arguments)
        found = scan(named, lambda path: root_of(Path(path), roots), self.tally)
        self.items = sorted(each.item for each in found)

    @property
    def left_out(self) -> dict[str, int]:
        names = ("not_a_file", "outside_root", "system", "other_type")
        return {name: n for name in names if (n := getattr(self.tally, name))}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("@eaDir", id="synology thumbnails"),
        pytest.param("#recycle", id="synology bin"),
        pytest.param("@Recycle", id="qnap bin"),
        pytest.param("$RECYCLE.BIN", id="windows bin"),
        pytest.param(".Trashes", id="hidden"),
        pytest.param("__MACOSX", id="unpacked zip"),
        pytest.param("LOST+FOUND", id="other case"),
    ],
)
def test_a_systems_own_folder_is_counted_once_and_not_entered(photos: Path, name: str) -> None:
    touch(photos / "a.jpg")
    touch(photos / name / "a.jpg" / "thumbnail.jpg")
    found = Scanned(photos.parent, photos)
    assert found.items == ["photos:a.jpg"]
    assert found.left_out == {"system": 1}


def test_files_of_a_system_and_hidden_ones_are_counted_but_not_the_farms_own(photos: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "._a.jpg", ".hidden.jpg", "desktop.ini"):
        touch(photos / name)
    touch(photos / ".farm-root")
    found = Scanned(photos.parent, photos, photos / "*")
    assert found.items == []
    assert found.left_out["system"] == 10, "five by the folder, the same five by the pattern"


def test_every_kind_of_picture_is_an_item_and_nothing_else_is(photos: Path) -> None:
    for name in ("a.JPG", "b.jpeg", "c.heic", "d.NEF", "e.avif", "f.tar.png", "名.webp"):
        touch(photos / name)
    for name in ("notes.txt", "clip.mp4", "jpg", "a.jpg.part", "noending", "x.jpg~"):
        touch(photos / name)
    found = Scanned(photos.parent, photos)
    assert len(found.items) == 7
    assert found.left_out == {"other_type": 6}


def test_a_folder_named_like_a_picture_is_walked(photos: Path) -> None:
    touch(photos / "x.jpg" / "y.png" / "z.jpg")
    assert Scanned(photos.parent, photos).items == ["photos:x.jpg/y.png/z.jpg"]


def test_links_in_circles_end_and_each_picture_is_found_once(photos: Path) -> None:
    touch(photos / "a.jpg")
    touch(photos / "sub" / "b.jpg")
    for n in range(5):
        (photos / f"up{n}").symlink_to(photos)
        (photos / "sub" / f"up{n}").symlink_to("..")
    (photos / "self").symlink_to("self")
    found = Scanned(photos.parent, photos)
    assert found.items == ["photos:a.jpg", "photos:sub/b.jpg"]
    assert found.left_out == {"not_a_file": 1}


@pytest.mark.parametrize("pattern", ["**", "**/*", "**/*.jpg", "**/**/*.jpg", "*/**/b.jpg"])
def test_a_pattern_of_any_depth_ends_where_links_go_in_circles(photos: Path, pattern: str) -> None:
    touch(photos / "sub" / "b.jpg")
    for n in range(5):
        (photos / f"up{n}").symlink_to(photos)
        (photos / "sub" / f"up{n}").symlink_to("..")
    (photos / "self").symlink_to("self")
    assert set(Scanned(photos.parent, photos / pattern).items) == {"photos:sub/b.jpg"}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        pytest.param("*.jpg", "a.jpg b.jpg", id="star"),
        pytest.param("?.jpg", "a.jpg b.jpg", id="one character"),
        pytest.param("[b-z].jpg", "b.jpg", id="range"),
        pytest.param("[!b].jpg", "a.jpg", id="not in range"),
        pytest.param("*/*.jpg", "2026/c.jpg", id="one level down"),
        pytest.param("**/*.jpg", "2026/05/d.jpg 2026/c.jpg a.jpg b.jpg", id="any level"),
        pytest.param("2026/**/*.jpg", "2026/05/d.jpg 2026/c.jpg", id="any level below a folder"),
        pytest.param("20??", "2026/05/d.jpg 2026/c.jpg", id="a folder that matches is walked"),
        pytest.param("2026/**", "2026/05/d.jpg 2026/c.jpg", id="all below"),
        pytest.param("./2026/../*.jpg", "a.jpg b.jpg", id="dots"),
        pytest.param("@eaDir/*.jpg", "@eaDir/thumb.jpg", id="a system folder named outright"),
    ],
)
def test_a_pattern_finds_what_it_says(photos: Path, pattern: str, names: str) -> None:
    for name in ("a.jpg", "b.jpg", "2026/c.jpg", "2026/05/d.jpg", "@eaDir/thumb.jpg", ".h/e.jpg"):
        touch(photos / name)
    wanted = [f"photos:{name}" for name in names.split()]
    assert Scanned(photos.parent, f"{photos}/{pattern}").items == wanted


def test_patterns_are_relative_to_where_the_user_is(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(photos / "2026" / "a.jpg")
    monkeypatch.chdir(photos)
    for pattern in ("*/*.jpg", "**", "**/*.jpg", "20*", "2026/?.jpg"):
        assert Scanned(photos.parent, pattern).items == ["photos:2026/a.jpg"], pattern
    assert list(matching("nothing*")) == []


def test_a_file_whose_name_looks_like_a_pattern_is_itself(photos: Path) -> None:
    touch(photos / "a[1].jpg")
    touch(photos / "a1.jpg")
    assert Scanned(photos.parent, photos / "a[1].jpg").items == ["photos:a[1].jpg"]


def test_links_lead_to_the_file_they_mean_and_not_out_of_the_roots(photos: Path) -> None:
    outside = touch(photos.parent / "secret" / "s.jpg")
    inside = touch(photos / "sub" / "a.jpg")
    (photos / "link.jpg").symlink_to(inside)
    (photos / "again").symlink_to(inside.parent)
    (photos / "out.jpg").symlink_to(outside)
    (photos / "outside").symlink_to(outside.parent)
    (photos / "dangling.jpg").symlink_to("nowhere")
    found = Scanned(photos.parent, photos)
    assert set(found.items) == {"photos:sub/a.jpg"}
    assert found.left_out == {"outside_root": 2, "not_a_file": 1}


def test_the_deepest_root_has_the_file_also_on_a_walk_from_above(photos: Path) -> None:
    touch(photos / "nasfarm" / "inbox" / "a.jpg")
    touch(photos / "b.jpg")
    assert Scanned(photos.parent, photos).items == ["home:inbox/a.jpg", "photos:b.jpg"]


def test_a_walk_leaves_out_the_farms_own_folders_where_the_home_lies_among_the_photos(
    photos: Path,
) -> None:
    drawn = touch(photos / "nasfarm" / "jobs" / "detect-1" / "pictures" / "000000-a.jpg")
    touch(photos / "nasfarm" / "models" / "m" / "1" / "x.png")
    touch(photos / "nasfarm" / "photos" / "a.jpg")
    found = Scanned(photos.parent, photos)
    assert found.items == ["home:photos/a.jpg"]
    assert found.left_out == {"system": 2}
    assert Scanned(photos.parent, drawn.parent).items, "named outright they are pictures as any"


def test_a_very_deep_tree_and_a_very_wide_folder_are_walked(photos: Path) -> None:
    deep = photos
    for _ in range(510):
        deep = deep / "d"
    os.makedirs(deep)
    touch(deep / "a.jpg")
    for n in range(1000):
        touch(photos / f"{n}.jpg")
    assert len(Scanned(photos.parent, photos).items) == 1001
    assert len(Scanned(photos.parent, photos / "**" / "a.jpg").items) == 1


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(os.mkfifo, id="pipe"),
        pytest.param(socket_at, id="socket"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="dangling link"),
        pytest.param(lambda path: path.symlink_to(path.name), id="link to itself"),
        pytest.param(lambda path: path.symlink_to("/dev/null"), id="link to a device"),
    ],
)
def test_what_is_no_file_is_counted_in_a_folder_and_refused_by_name(
    photos: Path, make: Callable[[Path], object]
) -> None:
    touch(photos / "a.jpg")
    make(photos / "x.jpg")
    found = Scanned(photos.parent, photos)
    assert found.items == ["photos:a.jpg"]
    assert sum(found.left_out.values()) == 1
    with pytest.raises(RejectError, match=r"x\.jpg: "):
        Scanned(photos.parent, photos / "x.jpg")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("photos/2025/a.jpg", "did you mean '2026'", id="folder"),
        pytest.param("photos/2026/aa.jpg", "did you mean 'a.jpg'", id="file"),
        pytest.param("phots", "did you mean 'photos'", id="root's folder"),
        pytest.param("photos/2026/a.jpg/b.jpg", "did you mean|no file or folder", id="in a file"),
        pytest.param("photos/2026/a.jpg/", "no such file or folder", id="a file as a folder"),
        pytest.param("", "no such file or folder", id="nothing"),
    ],
)
def test_a_path_that_is_not_there_gets_the_nearest_that_is(
    photos: Path, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    touch(photos / "2026" / "a.jpg")
    monkeypatch.chdir(photos.parent)
    with pytest.raises(RejectError, match=said):
        Scanned(photos.parent, path)


def test_a_path_outside_every_root_names_the_folder_to_add(photos: Path) -> None:
    lone = touch(photos.parent / "my photos" / "a.jpg")
    with pytest.raises(RejectError, match=r"farm roots add NAME '.*/my photos'"):
        Scanned(photos.parent, lone)


def test_names_are_kept_to_the_byte(photos: Path) -> None:
    names = (b"caf\xe9.jpg", "雨.jpg".encode(), b"100%.jpg", b"%41.jpg", b"a\nb.jpg", b"-x.jpg")
    long = "é".encode() * 125 + b"x.jpg"  # 254 bytes
    for name in (*names, long):
        (Path(os.fsdecode(os.fsencode(photos) + b"/" + name))).write_bytes(b"x")
    found = Scanned(photos.parent, photos)
    assert {split_address(item)[1] for item in found.items} == {*names, long}
