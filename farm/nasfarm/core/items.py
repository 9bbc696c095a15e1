"""Items and how they are named: `root:relative/path`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePosixPath
from urllib.parse import quote_from_bytes, unquote_to_bytes

ROOT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
HOME_ROOT = "home"
"""The root that is FARM_HOME itself; always there, never added."""

SENTINEL = ".farm-root"
"""The file by which a root's folder is known."""

VIDEOS = frozenset("mp4 m4v avi mkv mov webm".split())
"""Endings of files whose frames are items."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Which picture of a video: its number in the order of showing, from 0, and when it is shown.

    seconds: since the video's start, to the millisecond, as `shown_at` gives them.
    """

    number: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Item:
    """One image as the manifest has it: a picture's file, or a frame of a video.

    `item` is its address `root:relative/path`; `bytes` and `mtime_ns` are the file's at submit.
    same_as: the address of an earlier file of the same content: nobody looks at this one.
    """

    i: int
    item: str
    bytes: int
    mtime_ns: int
    frame: Frame | None = None
    same_as: str = ""

    @property
    def name(self) -> str:
        """What messages call it."""
        return item_name(self.item, self.frame.number if self.frame else None)


@dataclass(frozen=True, slots=True)
class Found:
    """What becomes an item: a file's address, size and mtime (nanoseconds since 1970), or one of
    its frames. same_as: see Item.
    """

    item: str
    bytes: int
    mtime_ns: int
    frame: Frame | None = None
    same_as: str = ""


def item_name(item: str, frame: int | None) -> str:
    """An item's address, and the number of its frame where it is one.

    >>> item_name("photos:a.mp4", 25)
    'photos:a.mp4, frame 25'
    """
    return item if frame is None else f"{item}, frame {frame}"


def shown_at(ticks: int, time_base: Fraction) -> float:
    """When a frame is shown, in seconds to the millisecond; ticks: since the video's start.

    A frame is found again by this very number: whoever asks and whoever looks compute it here.
    """
    return round(ticks * time_base.numerator / time_base.denominator, 3)


def address(root: str, relative: bytes) -> str:
    """`root:relative/path`. A name that is not UTF-8 is percent-encoded, a `%` always is.

    >>> address("photos", "雨.jpg".encode())
    'photos:雨.jpg'
    >>> address("photos", b"caf\\xe9 100%.jpg")
    'photos:caf%E9 100%25.jpg'
    """
    try:
        return f"{root}:{relative.decode('utf-8').replace('%', '%25')}"
    except UnicodeDecodeError:
        return f"{root}:{quote_from_bytes(relative, safe='/ ')}"


def split_address(item: str) -> tuple[str, bytes]:
    """The root's name and the path below it in the file system's bytes; undoes `address`."""
    root, _, path = item.partition(":")
    return root, unquote_to_bytes(path)


def is_video(name: str) -> bool:
    """Whether a file, by its name or address, is one whose frames are items."""
    return PurePosixPath(name).suffix[1:].casefold() in VIDEOS


def stem(item: str) -> str:
    """The file's name without folders and ending, for naming files made from it."""
    return PurePosixPath(item.partition(":")[2]).stem
