"""When a picture was taken: what it says itself, its name, its film, its file; and which it was."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from nasfarm.core.items import Frame, Item
from nasfarm_workers.pixels import Picture
from nasfarm_workers.recipes.reduces import reduced_by
from nasfarm_workers.recipes.taken import named_time, taken
from resultlines import recipe, still, thing

MTIME_NS = 1_777_000_000_123_456_789
NOON = datetime(2026, 5, 4, 12, 0, 1)


@pytest.mark.parametrize(
    "name",
    [
        "IMG_20260504_120001.jpg",
        "VID_20260504_120001.mp4",
        "PXL_20260504_120001.MP.jpg",
        "2026-05-04 12.00.01.jpg",
        "2026-05-04_12-00-01.jpg",
        "2026_05_04_12_00_01.jpg",
        "2026-05-04T12:00:01.png",
        "20260504T120001Z.jpg",
        "cam1-20260504120001.jpg",
        "192.168.1.64_01_20260504120001_MOTION_DETECTION.jpg",
        "Screenshot_2026-05-04-12-00-01.png",
        "WhatsApp Image 2026-05-04 at 12.00.01.jpeg",
        "20260504-120001(2).jpg",
        "20260504_120001_003.jpg",
        "20261304_120001 20260504_120001.jpg",
    ],
)
def test_cameras_and_phones_write_the_time_into_names(name: str) -> None:
    assert named_time(f"photos:a/{name}") == NOON
    assert named_time(f"photos:{name}") == NOON


@pytest.mark.parametrize(
    "name",
    [
        "DSC01234.jpg",
        "IMG-20260504-WA0001.jpg",
        "2026-05-04.jpg",
        "20260504_1200.jpg",
        "20261304_120001.jpg",
        "20260504_250001.jpg",
        "12345678901234567890.jpg",
        "2026-0504-120001.jpg",
        "120260504120001.jpg",
    ],
)
def test_other_numbers_are_no_time(name: str) -> None:
    assert named_time(f"photos:20200101_000000/{name}") is None


def test_thousandths_of_a_second_count() -> None:
    assert named_time("a:PXL_20260504_120001123.jpg") == NOON.replace(microsecond=123_000)
    assert named_time("a:2026-05-04 12.00.01.123.jpg") == NOON.replace(microsecond=123_000)


def item(name: str, frame: Frame | None = None) -> Item:
    return Item(0, f"photos:{name}", 1, MTIME_NS, frame)


def picture(taken_at: str = "", source: str = "") -> Picture:
    return Picture(np.zeros((1, 1, 3), np.uint8), 1, 1, taken_at, source)


NAMED, PLAIN = "cam-20260504120001.mp4", "cam.mp4"
LATER = Frame(25, 2.5)
EXIF = picture("2026-05-04T12:00:01+08:00", "exif")
FILM = picture("2026-05-04T04:00:02.500+00:00", "video")


@pytest.mark.parametrize(
    ("which", "seen", "wanted"),
    [
        pytest.param(item(NAMED), EXIF, (EXIF.taken_at, "exif"), id="the picture itself"),
        pytest.param(item(NAMED), picture(), ("2026-05-04T12:00:01", "name"), id="then its name"),
        pytest.param(
            item(NAMED, LATER), FILM, ("2026-05-04T12:00:03.500", "name"), id="of a frame, too"
        ),
        pytest.param(item(PLAIN, LATER), FILM, (FILM.taken_at, "video"), id="then the film"),
        pytest.param(
            item(PLAIN), picture(), ("2026-04-24T03:06:40+00:00", "mtime"), id="then the file"
        ),
        pytest.param(
            item(PLAIN, LATER), picture(), ("2026-04-24T03:06:42.500+00:00", "mtime"),
            id="from which frames follow",
        ),
    ],
)  # fmt: skip
def test_the_surest_source_is_taken(which: Item, seen: Picture, wanted: tuple[str, str]) -> None:
    assert taken(which, seen) == wanted


@pytest.mark.parametrize("reduce", ["people_count", "heatmap", "alerts"])
@pytest.mark.parametrize(
    "at",
    ["2026-05-04T12:00:01+24:00", "2026-05-04T12:00:01.500+99:99", "0001-01-01T00:00:00",
     "9999-12-31T23:59:59"],
)  # fmt: skip
def test_a_line_with_an_odd_time_is_reduced_as_others(reduce: str, at: str) -> None:
    """Of a picture, by an earlier release; among pictures of more days than a table has rows."""
    days = (f"{1900 + n // 12}-{n % 12 + 1:02d}-04T12:00:00" for n in range(1500))
    lines = [still(i, thing(0.5, 0.5), at=day) for i, day in enumerate([at, *days])]
    assert reduced_by(recipe(reduce), lines).facts
