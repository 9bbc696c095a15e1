"""Pictures of fixed cameras to those that show something new, and those that do not. Pure.

How much a camera's noise comes to is measured in the pictures themselves: see ADR 25.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nasfarm.core.items import Item, is_video
from nasfarm.core.lines import Fault
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm_workers.pixels import RGB, Picture, Unchanged

Thumb = NDArray[np.float32]
"""(h, w) greys, 0..255, smoothed."""

_SIDE = 320
"""Pixels of a thumb's longer side at most, and more than half as many where there are."""
_SMOOTH, _BLOCK = 3, 8

_LEAST, _TIMES = 2.5, 3.5
"""A block has changed that is so many greys apart, and so many times what the noise comes to."""
_MOST_NOISE = 2.5
"""Where half the picture is further apart than this, the light has changed, or the camera moved."""

_EACH = 32
"""At least each so many pictures of a camera one is run, whatever it shows."""


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """The last picture of a camera that is run: its item's number, size and thumb."""

    i: int
    size: tuple[int, int]
    thumb: Thumb


def gated(
    items: Sequence[Item], seen: Sequence[Picture | Fault], recipe: ResolvedRecipe
) -> list[Picture | Unchanged | Fault]:
    """What is seen of the items, and `Unchanged` for each picture that need not be run.

    Each is compared with the last one of its camera that is run, not with the one before, so that
    what creeps is seen, too. A camera's first picture of `items` is always run. Without a gate all
    are.
    """
    if not recipe.gated:
        return list(seen)
    runs: dict[str, _Run] = {}
    return [_passed(item, one, runs) for item, one in zip(items, seen, strict=True)]


def _passed(item: Item, one: Picture | Fault, runs: dict[str, _Run]) -> Picture | Unchanged | Fault:
    """The picture as it is, which `runs` then knows, or that it has not changed."""
    if isinstance(one, Fault):
        return one
    now = _Run(item.i, (one.width, one.height), _thumb(one.pixels))
    before = runs.get(camera := _camera(item.item))
    if before is not None and _shows_the_same(before, now):
        return Unchanged(one, before.i)
    runs[camera] = now
    return one


def _camera(item: str) -> str:
    """What an item comes from: its video, or the folder that its picture lies in."""
    return item if is_video(item) else item[: 1 + max(item.find(":"), item.rfind("/"))]


def _shows_the_same(before: _Run, now: _Run) -> bool:
    return (
        now.i - before.i < _EACH
        and now.size == before.size
        and now.thumb.shape == before.thumb.shape
        and not _moved(before.thumb, now.thumb)
    )


def _moved(before: Thumb, now: Thumb) -> bool:
    """Whether some place differs by more than the noise does, which all places have in common."""
    apart = cv2.blur(cv2.absdiff(before, now), (_BLOCK, _BLOCK))
    noise = float(np.median(apart[::_BLOCK, ::_BLOCK]))
    return noise > _MOST_NOISE or float(apart.max()) > max(_LEAST, _TIMES * noise)


def _thumb(pixels: RGB) -> Thumb:
    """By area and smoothed: both take noise away, and leave what is larger than a pixel or two."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    # Whole pixels into one take a tenth of the time; up to one column and row of thumb is left out.
    shrunk = math.ceil(max(width, height) / _SIDE)
    size = (max(1, width // shrunk), max(1, height // shrunk))
    whole = grey[: size[1] * shrunk, : size[0] * shrunk]
    small = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.boxFilter(small, cv2.CV_32F, (_SMOOTH, _SMOOTH)), dtype=np.float32)
