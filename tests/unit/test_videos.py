"""Videos to their frames: the right ones, with their times, whatever the file and the order."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from films import HEIGHT, WIDTH, film, in_sequence, laid_on_its_side, number_in
from nasfarm.core.items import Found, Frame, Item
from nasfarm.core.lines import Fault
from nasfarm.errors import StorageError
from nasfarm.intake.videos import frames
from nasfarm_workers.pixels import OpenFile, Picture, Shot
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.frames import Videos
from nasfarm_workers.runtime.read import open_file
from needs import needs

VTEST = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
"""795 pictures of people on a square, ten a second; from the Debian package opencv-doc."""


def found(path: Path, every_s: float = 0.0) -> list[Found]:
    status = path.stat()
    whole = Found(f"photos:{path.name}", status.st_size, status.st_mtime_ns)
    return list(frames(whole, str(path), every_s))


def items(path: Path, every_s: float = 0.0) -> list[Item]:
    return [
        Item(i, one.item, one.bytes, one.mtime_ns, one.frame)
        for i, one in enumerate(found(path, every_s))
    ]


class Watched:
    """Videos as a worker has them, in one folder, and how many frames it has decoded."""

    def __init__(self, folder: Path, most_megapixels: float = 0) -> None:
        self.decoded = 0
        roots = {"photos": folder}
        self.videos = Videos(
            lambda item: open_file(item, roots, lambda _root: True), self.step, most_megapixels
        )

    def step(self) -> None:
        self.decoded += 1

    def take(self, item: Item, max_side: int = 0) -> Picture | Fault:
        return decode(self.videos.take(item), item.name, max_side)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    worker = Watched(tmp_path)
    yield worker
    worker.videos.close()


def shown(watched: Watched, wanted: Sequence[Item]) -> list[int]:
    """The number that each item's picture shows; −1 where there is none."""
    seen = [watched.take(item) for item in wanted]
    return [number_in(one.pixels) if isinstance(one, Picture) else -1 for one in seen]


KINDS: dict[str, dict[str, Any]] = {
    "a.mp4": {"codec": "libx264", "between": 3},
    "open.mp4": {"codec": "libx264", "between": 3, "options": {"x264-params": "open-gop=1"}},
    "plain.m4v": {"codec": "mpeg4"},
    "between.mov": {"codec": "mpeg4", "between": 2},
    "fragments.mp4": {"codec": "libx264", "header": {"movflags": "frag_keyframe+empty_moov"}},
    "single.avi": {"codec": "mjpeg"},
    "old.avi": {"codec": "mpeg4", "between": 2},
    "plain.avi": {"codec": "mpeg4"},
    "odd.avi": {"codec": "libx264", "between": 3},
    "a.mkv": {"codec": "libx264", "between": 3},
    "a.webm": {"codec": "libvpx"},
    "b.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}},
}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film of 60 frames of every kind, 25 a second."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, how in KINDS.items():
        film(folder / name, **how)
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_is_an_item_with_its_number_and_time(kinds: Path, name: str) -> None:
    told = [one.frame for one in found(kinds / name)]
    assert told == [Frame(number, pytest.approx(number / 25, abs=1e-3)) for number in range(60)]


ORDERS = {
    "one after the other": list(range(60)),
    "backwards": list(range(59, -1, -1)),
    "some": [3, 4, 11, 12, 13, 30, 47, 48, 59],
    "the last ones": [57, 58, 59],
    "twice": [20, 20, 21, 20],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
@pytest.mark.parametrize("name", KINDS)
def test_each_item_gets_its_own_frame(kinds: Path, name: str, order: list[int]) -> None:
    watched, all_of_it = Watched(kinds), items(kinds / name)
    assert shown(watched, [all_of_it[number] for number in order]) == order
    watched.videos.close()


def test_random_frames_of_random_videos_are_the_right_ones(
    kinds: Path, chance: random.Random
) -> None:
    watched = Watched(kinds)
    for _ in range(20):
        path = kinds / chance.choice(list(KINDS))
        order = sorted(chance.sample(range(60), 8))
        assert shown(watched, [items(path)[number] for number in order]) == order, path.name
    watched.videos.close()


def test_consecutive_frames_are_decoded_once(kinds: Path) -> None:
    watched, all_of_it = Watched(kinds), items(kinds / "a.mp4")
    shown(watched, all_of_it[:40])
    assert watched.decoded == 40
    watched.videos.close()


def test_what_lies_before_a_keyframe_is_jumped_over(tmp_path: Path, watched: Watched) -> None:
    path = film(
        tmp_path / "a.mp4", 500, codec="libx264", between=2, keyframe_each=25,
        options={"sc_threshold": "0"},
    )  # fmt: skip
    few = items(path, every_s=4.0)
    assert shown(watched, few) == [0, 100, 200, 300, 400]
    assert watched.decoded <= 5 * 3


def test_a_far_keyframe_is_not_searched_for_twice(tmp_path: Path, watched: Watched) -> None:
    path = film(tmp_path / "a.mp4", 300, codec="libx264", keyframe_each=300)
    shown(watched, items(path, every_s=1.0))
    assert watched.decoded <= 300


@pytest.mark.parametrize(
    ("every_s", "numbers"),
    [
        pytest.param(1.0, [0, 25, 50], id="a second"),
        pytest.param(0.5, [0, 13, 25, 38, 50], id="half a second, between frames"),
        pytest.param(0.04, list(range(60)), id="the rate itself"),
        pytest.param(0.001, list(range(60)), id="more than there are"),
        pytest.param(100.0, [0], id="longer than the video"),
    ],
)
def test_one_frame_each_so_many_seconds(kinds: Path, every_s: float, numbers: list[int]) -> None:
    told = [one.frame.number for one in found(kinds / "a.mp4", every_s) if one.frame]
    assert told == numbers


UNEVEN = [0, 40, 55, 56, 90, 400, 1000, 1001, 1500, 3999, 4000, 4040]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_an_uneven_video_keeps_its_own_times(tmp_path: Path, watched: Watched, name: str) -> None:
    path = film(tmp_path / name, codec="libx264", between=2, times_ms=UNEVEN, rate=1000)
    told = [one.frame for one in found(path)]
    assert told == [Frame(number, when / 1000) for number, when in enumerate(UNEVEN)]
    assert shown(watched, items(path)) == list(range(len(UNEVEN)))
    picked = [one.frame.number for one in found(path, every_s=1.0) if one.frame]
    assert picked == [0, 6, 9, 10], "at 0, 1, 3.999 and 4 s; in the third second there is none"


def test_an_avi_with_gaps_has_no_frames_where_none_were_recorded(
    tmp_path: Path, watched: Watched
) -> None:
    when = [0, 40, 200, 240, 400, 440, 480, 800]
    path = film(tmp_path / "a.avi", codec="mjpeg", times_ms=when, rate=25)
    told = [one.frame for one in found(path)]
    assert told == [Frame(number, each / 1000) for number, each in enumerate(when)]
    assert shown(watched, items(path)) == list(range(8))


# -- damage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how"),
    [
        pytest.param("a.mp4", {"header": {"movflags": "faststart"}}, id="mp4"),
        pytest.param("a.avi", {}, id="avi"),
        pytest.param("a.mkv", {}, id="mkv"),
    ],
)
def test_a_broken_tail_is_missing_frame_by_frame(
    tmp_path: Path, watched: Watched, name: str, how: dict[str, Any]
) -> None:
    path = film(tmp_path / name, 200, codec="mpeg4", **how)
    size = path.stat().st_size
    os.truncate(path, size * 6 // 10)
    all_of_it = items(path)
    assert [one.frame.number for one in all_of_it if one.frame] == list(range(200))
    seen = shown(watched, all_of_it)
    there = seen.index(-1)
    assert 80 < there < 160
    assert seen == [*range(there), *[-1] * (200 - there)]
    fault = watched.take(all_of_it[-1])
    assert isinstance(fault, Fault)
    assert (fault.code, "frame 199: cannot be decoded" in fault.message) == ("decode", True)
    assert watched.decoded < 1000, "each lost frame was searched for anew"


def test_damage_in_the_middle_costs_only_what_it_hits(tmp_path: Path, watched: Watched) -> None:
    path = film(tmp_path / "a.mp4", 120, codec="libx264", between=2)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = os.urandom(200)
    path.write_bytes(content)
    seen = shown(watched, items(path))
    assert len(seen) == 120
    right = [number for number, what in enumerate(seen) if what == number]
    assert len(right) >= 120 - 2 * 12
    assert {0, 1, 2, 117, 118, 119} <= set(right)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"Dear diary, this is no video.\n" * 100, id="text"),
        pytest.param(b"\0" * 5000, id="zeros"),
        pytest.param(b"\0\0\0\x20ftypisom" + b"\0" * 500, id="only a beginning"),
        pytest.param(b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5\nother.mp4\n", id="play list"),
        pytest.param(b"ffconcat version 1.0\nfile other.mp4\n", id="list of files"),
    ],
)
def test_what_is_no_video_is_one_item_with_an_error(
    tmp_path: Path, watched: Watched, content: bytes
) -> None:
    film(tmp_path / "other.mp4", 3)
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    [only] = items(path)
    assert only.frame is None
    fault = watched.take(only)
    assert isinstance(fault, Fault)
    assert fault.code == "decode"
    assert fault.message.startswith("photos:a.mp4: ")


def test_a_copy_that_broke_off_before_the_index_is_one_item(
    tmp_path: Path, watched: Watched
) -> None:
    path = film(tmp_path / "a.mp4")
    os.truncate(path, path.stat().st_size // 2)
    [only] = items(path)
    assert (only.frame, isinstance(watched.take(only), Fault)) == (None, True)


def test_a_video_that_has_become_whole_since_asks_to_be_handed_in_again(
    tmp_path: Path, watched: Watched
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"half")
    [only] = items(path)
    film(path)
    fault = watched.take(only)
    assert isinstance(fault, Fault)
    assert "hand it in again" in fault.message


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert [one.frame for one in found(path)] == [None]


def test_a_video_that_was_replaced_says_so(tmp_path: Path, watched: Watched) -> None:
    path = film(tmp_path / "a.mp4")
    before = items(path)
    film(path, 30)
    first, last = watched.videos.take(before[0]), watched.take(before[-1])
    assert isinstance(first, Shot)
    assert first.changed
    assert isinstance(last, Fault)
    assert "has changed" in last.message


def test_a_video_that_is_gone_or_a_link_is_so_for_every_frame(
    tmp_path: Path, watched: Watched
) -> None:
    path = film(tmp_path / "a.mp4")
    wanted = items(path)
    path.unlink()
    seen = [watched.take(item) for item in wanted]
    assert {one.code for one in seen if isinstance(one, Fault)} == {"missing"}
    path.symlink_to(film(tmp_path / "b.mp4"))
    assert {type(watched.take(item)) for item in wanted} == {Fault}


def test_a_video_of_a_root_that_is_away_is_not_called_missing(tmp_path: Path) -> None:
    wanted = items(film(tmp_path / "a.mp4"))
    away = {"photos": tmp_path / "not mounted"}
    videos = Videos(lambda item: open_file(item, away, lambda _root: False), lambda: None)
    with pytest.raises(StorageError, match="away"):
        videos.take(wanted[0])


class Failing(FileIO):
    """A file on a disk that reports errors behind a place."""

    good = 4096

    def readinto(self, buffer: Any) -> int | None:
        if self.tell() >= self.good:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().readinto(buffer)

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self.good:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(-1 if size is None else size) or b""


def test_a_disk_that_reports_errors_is_tried_again_and_then_named(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", 300, codec="mjpeg")
    opened: list[FileIO] = []

    def failing(item: Item) -> OpenFile:
        opened.append(Failing(path))
        return OpenFile(opened[-1], item.item)

    videos = Videos(failing, lambda: None)
    fault = videos.take(items(path)[-1])
    assert isinstance(fault, Fault)
    assert (fault.code, len(opened)) == ("storage", 3)
    assert all(file.closed for file in opened)


# -- what the picture says -----------------------------------------------------------------------


def test_a_phones_video_stands_upright(tmp_path: Path, watched: Watched) -> None:
    path = film(tmp_path / "a.mp4", 10, codec="libx264")
    laid_on_its_side(path)
    wanted = items(path)
    for item in wanted:
        picture = watched.take(item)
        assert isinstance(picture, Picture)
        assert (picture.width, picture.height) == (HEIGHT, WIDTH)
        assert picture.pixels.shape == (WIDTH, HEIGHT, 3)
        # Turned to the right, what was on the left is above.
        assert number_in(np.rot90(picture.pixels)) == item.frame.number  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ({"creation_time": "2026-05-04T04:00:01.000000Z"}, "2026-05-04T04:00:02.000+00:00"),
        pytest.param({}, "", id="none"),
        pytest.param({"creation_time": "1904-01-01T00:00:00Z"}, "", id="clock never set"),
    ],
)
def test_the_time_is_the_videos_own_and_its_seconds(
    tmp_path: Path, watched: Watched, metadata: dict[str, str], wanted: str
) -> None:
    path = film(tmp_path / "a.mp4", metadata=metadata)
    picture = watched.take(items(path)[25])
    assert isinstance(picture, Picture)
    assert (picture.taken_at, picture.time_source) == (wanted, "video" if wanted else "")


def test_a_frame_is_drawn_no_larger_than_wanted(tmp_path: Path, watched: Watched) -> None:
    wanted = items(film(tmp_path / "a.mp4"))
    picture = watched.take(wanted[5], max_side=96)
    assert isinstance(picture, Picture)
    assert picture.pixels.shape == (HEIGHT // 2, WIDTH // 2, 3)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert number_in(picture.pixels) == 5


def test_too_large_a_video_is_refused_by_its_header(tmp_path: Path) -> None:
    worker = Watched(tmp_path, most_megapixels=0.009)
    fault = worker.take(items(film(tmp_path / "a.mp4"))[0])
    assert isinstance(fault, Fault)
    assert (fault.code, worker.decoded) == ("too_large", 0)


# -- a real one, long ones -----------------------------------------------------------------------


def test_each_kth_frame_of_a_real_video_is_the_one_a_player_shows(tmp_path: Path) -> None:
    needs(VTEST.exists(), "vtest.avi is not here: apt-get install opencv-doc")
    worker, all_of_it = Watched(VTEST.parent), items(VTEST)
    assert [one.frame for one in all_of_it] == [Frame(n, n / 10) for n in range(795)]
    wanted = range(0, 795, 53)
    real = in_sequence(VTEST, wanted)
    for number in wanted:
        picture = worker.take(all_of_it[number])
        assert isinstance(picture, Picture), picture
        assert np.array_equal(picture.pixels, real[number]), number
    worker.videos.close()


def test_a_title_in_another_alphabet_keeps_no_video_from_being_read(tmp_path: Path) -> None:
    """Programs write titles as Latin-1 or GBK; strict reading of one ended the watcher."""
    path = film(tmp_path / "a.mkv", 3, metadata={"title": "XXXXXXXX"})
    content = path.read_bytes()
    assert b"XXXXXXXX" in content
    path.write_bytes(content.replace(b"XXXXXXXX", b"caf\xe9 \xb0\xa1"))
    assert [one.frame and one.frame.number for one in found(path)] == [0, 1, 2]


def test_counting_frames_loads_no_arrays(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 5)
    code = (
        "import sys; from nasfarm.core.items import Found; from nasfarm.intake import videos;"
        f"told = list(videos.frames(Found('photos:a.mp4', 1, 1), {str(path)!r}));"
        "print(len(told), 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "False"]


def test_without_pyav_the_way_to_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "a.mp4", 5)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(Exception, match=r"pip install 'nasfarm\[worker\]'") as error:
        found(path)
    assert error.value.code == "missing_extra"  # type: ignore[attr-defined]
