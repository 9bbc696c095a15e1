"""A heat and the picture that lies below it to a PNG: colours over grey, with their scale. Pure."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from nasfarm.core.reduced import Heat
from nasfarm_workers.pixels import RGB

F32 = NDArray[np.float32]

_STOPS = ((20, 30, 110), (90, 30, 160), (200, 40, 110), (250, 130, 40), (255, 235, 120))
"""From the least to the most; the lightness grows, so that it reads in print and to the
colour-blind.
"""
_SPREAD = 1.2
"""Cells (standard deviation) over which a foot point is spread: about the width of a person."""
_STRONGEST = 0.85
"""Share of the colour where it is strongest: the ground can still be made out."""
_GREY = 0.75
"""Share of grey in the picture below, so that its own colours are not taken for heat."""
_DIM = 0.8
_PIXELS = 8
"""Of a cell's side where no picture lies below."""


def draw_heat(ground: RGB, heat: Heat) -> bytes:
    """A PNG of `heated`."""
    file = BytesIO()
    Image.fromarray(heated(ground, heat)).save(file, "PNG", optimize=True)
    return file.getvalue()


def no_ground(heat: Heat) -> RGB:
    """What lies below where the picture cannot be read any more: plain grey."""
    return np.full((heat.rows * _PIXELS, heat.columns * _PIXELS, 3), 128, dtype=np.uint8)


def heated(ground: RGB, heat: Heat) -> RGB:
    """`ground` with the heat over it. Where nothing stood it is seen as it is, in grey."""
    height, width = ground.shape[:2]
    seconds = np.array(heat.seconds, dtype=np.float32).reshape(heat.rows, heat.columns)
    spread = cv2.GaussianBlur(seconds, (0, 0), _SPREAD, borderType=cv2.BORDER_CONSTANT)
    most = float(spread.max())
    large = cv2.resize(spread, (width, height), interpolation=cv2.INTER_LINEAR)
    # The square root: a door's minute is seen beside a bench's hour.
    part: F32 = np.sqrt(large / (most or 1.0)).astype(np.float32)
    colours, share = _coloured(part), np.minimum(_STRONGEST, 2 * part)[..., None]
    mixed = _faded(ground) * (1 - share) + colours * share
    image = Image.fromarray(np.clip(mixed, 0, 255).round().astype(np.uint8))
    _draw_scale(image, most)
    return np.asarray(image)


def _faded(ground: RGB) -> F32:
    colours = ground.astype(np.float32)
    grey = colours @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    faded: F32 = (_DIM * (_GREY * grey[..., None] + (1 - _GREY) * colours)).astype(np.float32)
    return faded


def _coloured(part: NDArray[np.floating[Any]]) -> F32:
    """(h, w) of 0..1 to (h, w, 3) of 0..255, between the stops."""
    at = np.linspace(0, 1, len(_STOPS))
    channels = [np.interp(part, at, channel) for channel in zip(*_STOPS, strict=True)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _draw_scale(image: Image.Image, most_s: float) -> None:
    """A bar of the colours at the lower left with the seconds of the hottest."""
    width, height = image.size
    size = max(11, round(max(width, height) / 50))
    wide, thick = max(40, width // 4), max(6, size // 2)
    left, top = size, height - size - thick
    ramp = _coloured(np.sqrt(np.linspace(0, 1, wide))[None, :].repeat(thick, axis=0))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    words = ("0", f"{most_s:.1f} s" if most_s < 100 else f"{most_s:.0f} s")
    pen.rectangle(
        (left - size // 2, top - 2 * size, left + wide + size // 2, height - size // 2),
        fill=(20, 24, 32),
    )
    image.paste(Image.fromarray(ramp.round().astype(np.uint8)), (left, top))
    ink, line = (252, 252, 250), top - round(1.6 * size)
    pen.text((left, line), words[0], font=font, fill=ink)
    end = left + wide - pen.textlength(words[1], font=font)
    pen.text((end, line), words[1], font=font, fill=ink)
