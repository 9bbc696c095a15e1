"""Pictures and the pieces of them that stages look at: values only. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nasfarm.core.findings import Finding

RGB = NDArray[np.uint8]
"""(h, w, 3), 0..255, red first."""

Enough = Callable[[int, int], float]
"""Width and height of an upright original → the least scale, above 0 to 1, that shows all which the
models of a recipe can see of it."""


def every_pixel(width: int, height: int) -> float:
    """The `Enough` of whoever wants the picture as large as it is."""
    return 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """An item's file as it was read. `changed`: its size or time is not that of the manifest."""

    content: bytes
    changed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class OpenFile:
    """An item's file, to be read in parts and closed. `name` is its address.

    changed: as of a Blob.
    """

    file: BinaryIO
    name: str
    changed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A frame of a video as its decoder gave it: whoever wants pixels says in which size.

    width, height: in pixels, as it lies in the video. quarter_turns: so many to the left make it
    upright. drawn: width and height → its pixels, not turned. taken_at: as of a Picture.
    changed: as of a Blob.
    """

    width: int
    height: int
    quarter_turns: int
    drawn: Callable[[int, int], RGB]
    taken_at: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded item. `pixels` may be smaller than the original.

    width, height: of the upright original in pixels.
    taken_at: ISO 8601, without an offset where the camera wrote none; "" if the file has no time.
    time_source: "exif" or "video"; "" together with `taken_at`.
    changed: its file is not as it was when it was handed in.
    """

    pixels: RGB
    width: int
    height: int
    taken_at: str = ""
    time_source: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Unchanged:
    """A picture that shows what an earlier one of its camera did, whose findings are its own.

    i: the earlier one's number in the job.
    """

    picture: Picture
    i: int


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A piece of one picture. `pixels` may be smaller than what was seen.

    owner: the picture's place in the chunk's list.
    seen_width, seen_height: the piece's size in pixels of the upright original.
    finding: what the piece shows; None for a whole picture.
    """

    owner: int
    pixels: RGB
    seen_width: int
    seen_height: int
    finding: Finding | None = None
