"""A picture and its result line to a JPEG with boxes, labels and texts drawn in. Pure."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from nasfarm_workers.pixels import Picture

Colour = tuple[int, int, int]
Point = tuple[float, float]
Area = tuple[float, float, float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_QUALITY = 88
_FINE = 2
"""Lines are drawn this many times larger and reduced, which makes slanted ones smooth."""

_LEAST_SIZE = 11
_WIDE = 1.5
"""Wider pictures than this times their height have their sheet below."""

_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "DejaVuSans.ttf",
)
"""Looked for in the system's font folders, those with Chinese first. Without any, Pillow's own font
is used, which has Latin letters only."""

_COLOURS: tuple[Colour, ...] = (
    (230, 57, 70),
    (29, 120, 216),
    (42, 157, 72),
    (244, 140, 6),
    (131, 56, 236),
    (0, 150, 160),
    (214, 40, 140),
    (120, 94, 20),
    (90, 160, 10),
    (80, 90, 200),
)
_TEXT_COLOUR = _COLOURS[1]


_PAPER, _INK = (252, 252, 250), (20, 24, 32)


@dataclass(frozen=True, slots=True)
class _Mark:
    """An outline in picture pixels and the words that belong to it."""

    outline: tuple[Point, ...]
    words: str
    colour: Colour


def draw(picture: Picture, record: Mapping[str, Any]) -> bytes:
    """A JPEG of `picture.pixels` with what its line found.

    record: the line as JSON has it, in pixels of the original. `detections` get a box and a chip
    with their label, whose colour is the same in every picture; `classes` get a chip at the top
    left. `texts` get an outline, and are written out on a sheet of the same size beside the picture
    (below it, if that is wide).
    """
    canvas = Image.fromarray(picture.pixels)
    scale = (canvas.width / picture.width, canvas.height / picture.height)
    things, texts = list(_detections(record, scale)), list(_texts(record, scale))
    size = max(13, round(max(canvas.size) / 60))
    canvas = _with_outlines(canvas, things + texts, max(2, round(size / 7)))
    _write_chips(canvas, things + list(_classes(record)), size)
    if texts:
        canvas = _with_sheet(canvas, texts)
    file = BytesIO()
    canvas.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _detections(record: Mapping[str, Any], scale: Point) -> Iterator[_Mark]:
    for found in record.get("detections", ()):
        x1, y1, x2, y2 = found["box"]
        yield _labelled(_scaled([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], scale), found)


def _classes(record: Mapping[str, Any]) -> Iterator[_Mark]:
    for found in record.get("classes", ()):
        yield _labelled(((0.0, 0.0),), found)


def _labelled(outline: tuple[Point, ...], found: Mapping[str, Any]) -> _Mark:
    # crc32 and not hash(), which differs from process to process.
    colour = _COLOURS[zlib.crc32(found["label"].encode()) % len(_COLOURS)]
    return _Mark(outline, f"{found['label']} {found['score']:.0%}", colour)


def _texts(record: Mapping[str, Any], scale: Point) -> Iterator[_Mark]:
    for found in record.get("texts", ()):
        yield _Mark(_scaled(found["polygon"], scale), found["text"], _TEXT_COLOUR)


def _scaled(points: Sequence[Sequence[float]], scale: Point) -> tuple[Point, ...]:
    return tuple((x * scale[0], y * scale[1]) for x, y in points)


def _with_outlines(canvas: Image.Image, marks: Sequence[_Mark], width: int) -> Image.Image:
    """Outlines with a dark rim, which keeps them visible on any background."""
    large = Image.new("RGBA", (canvas.width * _FINE, canvas.height * _FINE), (0, 0, 0, 0))
    pen = ImageDraw.Draw(large)
    for mark in reversed(marks):  # the surest comes first and lies on top
        closed = [(x * _FINE, y * _FINE) for x, y in (*mark.outline, *mark.outline[:2])]
        pen.line(closed, fill=(0, 0, 0, 110), width=(width + 2) * _FINE, joint="curve")
        pen.line(closed, fill=(*mark.colour, 255), width=width * _FINE, joint="curve")
    fine = large.resize(canvas.size, Image.Resampling.BOX)
    return Image.alpha_composite(canvas.convert("RGBA"), fine).convert("RGB")


def _write_chips(canvas: Image.Image, marks: Sequence[_Mark], size: int) -> None:
    """Each mark's words on a patch of its colour, at the top of its outline, clear of others."""
    pen, font = ImageDraw.Draw(canvas), _font(size)
    pad = max(2, size // 4)
    taken: list[Area] = []
    for mark in marks:
        width, height = pen.textlength(mark.words, font=font) + 2 * pad, size + 2 * pad
        area = _free_area(mark.outline, (width, height), canvas.size, taken)
        taken.append(area)
        pen.rounded_rectangle(area, radius=pad, fill=mark.colour)
        _write(pen, (area[0] + pad, area[1] + height / 2), mark.words, size, _ink(mark.colour))


def _free_area(
    outline: Sequence[Point], chip: Point, canvas: tuple[int, int], taken: Sequence[Area]
) -> Area:
    """Above the outline if there is room, else the next place below that no other chip holds."""
    width, height = chip
    left = max(0.0, min(min(x for x, _ in outline), canvas[0] - width))
    top = min(y for _, y in outline)
    first = top - height if top >= height else max(0.0, top)
    places = [(left, first + n * height) for n in range(2 * len(taken) + 1)]
    areas = [(x, y, x + width, y + height) for x, y in places if y + height <= canvas[1]]
    free = [area for area in areas if not any(_overlap(area, other) for other in taken)]
    return (free or areas or [(left, 0.0, left + width, height)])[0]


def _overlap(one: Area, other: Area) -> bool:
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]


def _with_sheet(canvas: Image.Image, texts: Sequence[_Mark]) -> Image.Image:
    """The picture and a white sheet with each text where it stands in the picture."""
    width, height = canvas.size
    beside = width <= _WIDE * height
    both = Image.new("RGB", (2 * width, height) if beside else (width, 2 * height), _PAPER)
    both.paste(canvas)
    pen = ImageDraw.Draw(both)
    across, down = (width, 0) if beside else (0, height)
    for text in texts:
        xs, ys = zip(*text.outline, strict=True)
        room = (max(xs) - min(xs), math.dist(text.outline[0], text.outline[3]))
        size = _fitting(pen, text.words, room)
        _write(pen, (min(xs) + across, (min(ys) + max(ys)) / 2 + down), text.words, size, _INK)
    return both


def _fitting(pen: ImageDraw.ImageDraw, words: str, room: Point) -> int:
    """The largest size that fills neither the width nor the height, but one that can be read."""
    size = max(_LEAST_SIZE, round(room[1] * 0.8))
    length = pen.textlength(words, font=_font(size))
    return max(_LEAST_SIZE, min(size, int(size * room[0] / max(1.0, length))))


def _write(
    pen: ImageDraw.ImageDraw, left_middle: Point, words: str, size: int, ink: Colour
) -> None:
    font = _font(size)
    if isinstance(font, ImageFont.FreeTypeFont):
        pen.text(left_middle, words, font=font, fill=ink, anchor="lm")
    else:  # Pillow built without FreeType has one small font, which knows no anchor
        pen.text((left_middle[0], left_middle[1] - 6), words, font=font, fill=ink)


def _ink(colour: Colour) -> Colour:
    """Dark or white, whichever is easier to read on the colour (ITU-R BT.601 luma)."""
    red, green, blue = colour
    return _INK if 0.299 * red + 0.587 * green + 0.114 * blue > 150 else (255, 255, 255)


@lru_cache(maxsize=64)
def _font(size: int) -> Font:
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
