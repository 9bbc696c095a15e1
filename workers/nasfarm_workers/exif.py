"""A picture, or its EXIF block, to what turns it upright and when it was taken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from PIL import Image

_ORIENTATION, _PHOTO_PART, _TAKEN, _TAKEN_OFFSET = 0x0112, 0x8769, 0x9003, 0x9011
_UPRIGHT: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Orientation → what makes the picture upright (EXIF 2.32, tag 0x0112)."""
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
"""Clocks that were never set say 0001 or 9999."""
_OFFSET = re.compile(r"[+-](0\d|1\d|2[0-3]):[0-5]\d|Z")
"""From UTC; some cameras write +24:00, which no clock has."""
_SIDEWAYS = frozenset(_UPRIGHT[number] for number in (5, 6, 7, 8))


@dataclass(frozen=True, slots=True)
class Exif:
    """What is used of a picture's EXIF. turn: None where it stands upright. taken_at: as of a
    Picture.
    """

    turn: Image.Transpose | None = None
    taken_at: str = ""

    @property
    def sideways(self) -> bool:
        """Whether to turn it makes its width its height."""
        return self.turn in _SIDEWAYS

    @property
    def source(self) -> str:
        """A Picture's `time_source`."""
        return "exif" if self.taken_at else ""


def exif(source: Image.Image | bytes) -> Exif:
    """What an image, or the block in its file, says, as far as it does.

    Ask it of an image after `load`, but for JPEGs: PNG may have its EXIF behind the pixels, and
    Pillow itself turns a TIFF. Broken EXIF is common (old editors, cut files) and no reason to drop
    a sound picture: what cannot be read is not there.
    """
    found: dict[int, object] = {}
    try:
        block = Image.Exif() if isinstance(source, bytes) else source.getexif()
        if isinstance(source, bytes):
            block.load(source)
        found[_ORIENTATION] = block.get(_ORIENTATION)
        found |= block.get_ifd(_PHOTO_PART)
    except Exception:  # struct.error, SyntaxError, KeyError and more
        pass
    return Exif(_UPRIGHT.get(found.get(_ORIENTATION)), _taken_at(found))


def _taken_at(exif: dict[int, object]) -> str:
    """`2026:05:04 12:00:01` (and `+08:00`) to ISO 8601; "" where it is missing or no real time."""
    written = str(exif.get(_TAKEN, "")).strip("\0 ")
    offset = str(exif.get(_TAKEN_OFFSET, "")).strip("\0 ")
    try:
        taken = datetime.strptime(written, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return ""
    if not _FIRST_YEAR <= taken.year <= _LAST_YEAR:
        return ""
    return taken.isoformat() + (offset if _OFFSET.fullmatch(offset) else "")
