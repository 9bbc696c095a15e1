"""Items and how they are named: `root:relative/path`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote_from_bytes, unquote_to_bytes

ROOT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
HOME_ROOT = "home"
"""The root that is FARM_HOME itself; always there, never added."""

SENTINEL = ".farm-root"
"""The file by which a root's folder is known."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image as the manifest has it.

    `item` is its address `root:relative/path`; `bytes` and `mtime_ns` are the file's at submit.
    """

    i: int
    item: str
    bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Found:
    """A file that becomes an item: its address, size and mtime (nanoseconds since 1970)."""

    item: str
    bytes: int
    mtime_ns: int


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


def stem(item: str) -> str:
    """The file's name without folders and ending, for naming files made from it."""
    return PurePosixPath(item.partition(":")[2]).stem
