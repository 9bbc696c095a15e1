"""Views to the tensors a model eats: few `session.run` for a whole chunk. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nasfarm.core.findings import Seen
from nasfarm.core.models import InputSpec
from nasfarm.errors import UnknownNameError
from nasfarm_workers.pixels import View

F32 = NDArray[np.float32]

_LONGEST_STRIP = 100
"""Width of a strip in heights, at most: a longer line of text would take gigabytes."""

_STRIP_STEP = 64
"""Strips wider than the model's width are padded to the next of these, so that strips of about the
same length share a batch, and none sees more padding because of its neighbours."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one `session.run` eats.

    tensor: (n, 3, h, w) float32, normalised, in the channel order of the InputSpec.
    rows: for each row, the place of its view in the list that was given.
    seen: for each row, how it lies over what the view shows.
    """

    tensor: F32
    rows: tuple[int, ...]
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a view comes to lie in its tensor, in tensor pixels; left and top may be negative."""

    canvas_width: int
    canvas_height: int
    width: int
    height: int
    left: int = 0
    top: int = 0


def batches(
    views: Sequence[View], spec: InputSpec, most: int, *, reuse: bool = False
) -> Iterator[Batch]:
    """Every view once, in batches of one tensor shape and at most `most` rows.

    A view's tensor does not depend on the views it shares a batch with, so its result does not
    either. Within a shape the order is kept.
    reuse: a batch is through when the next is asked for; its memory is then written again, as
    fresh memory costs a page fault for each 4 kB.
    Raises UnknownNameError for another kind of input.
    """
    layouts = [_layout(view.seen_width, view.seen_height, spec) for view in views]
    shapes: dict[tuple[int, int], list[int]] = {}
    for place, layout in enumerate(layouts):
        shapes.setdefault((layout.canvas_width, layout.canvas_height), []).append(place)
    table = _normalised(spec)
    for (width, height), places in shapes.items():
        room = np.empty((min(most, len(places)), 3, height, width), dtype=np.float32)
        before: list[_Layout | None] = [None] * len(room)
        for start in range(0, len(places), most):
            rows = places[start : start + most]
            tensor = room[: len(rows)] if reuse else np.empty_like(room[: len(rows)])
            for k, place in enumerate(rows):
                # What lies around a picture is there already, where one of its shape was before.
                if not reuse or before[k] != layouts[place]:
                    _surround(tensor[k], layouts[place], table, spec)
                _lay(tensor[k], views[place], layouts[place], table, spec)
                before[k] = layouts[place]
            seen = tuple(_seen(views[place], layouts[place]) for place in rows)
            yield Batch(tensor, tuple(rows), seen)


def least_scale(spec: InputSpec, width: int, height: int) -> float:
    """The scale, at most 1, at which an input of that kind shows a picture of that size."""
    shown = _layout(width, height, spec)
    return min(1.0, max(shown.width / width, shown.height / height))


def _layout(width: int, height: int, spec: InputSpec) -> _Layout:
    """By the size that is seen: the scale a picture was decoded at makes no difference."""
    if spec.kind not in _LAYOUTS:
        raise UnknownNameError.of("kind of model input", spec.kind, _LAYOUTS)
    return _LAYOUTS[spec.kind](width, height, spec)


def _normalised(spec: InputSpec) -> F32:
    """(3, 256): what each of a channel's 256 values becomes, channels in the model's order."""
    mean = np.array(spec.mean)[:, None]
    std = np.array(spec.std)[:, None]
    table: F32 = ((np.arange(256) - mean) / std).astype(np.float32)
    return table


def _surround(row: F32, layout: _Layout, table: F32, spec: InputSpec) -> None:
    """Fill what of a (3, h, w) row of the tensor lies around the view."""
    top, left = max(0, layout.top), max(0, layout.left)
    bottom, end = layout.top + layout.height, layout.left + layout.width
    # Pictures lie on black, which is not zero once normalised; strips on the plain zero.
    around = np.zeros(3, np.float32) if spec.kind == "strip" else table[:, 0]
    for margin in (
        row[:, :top],
        row[:, bottom:],
        row[:, top:bottom, :left],
        row[:, top:bottom, end:],
    ):
        margin[:] = around[:, None, None]


def _lay(row: F32, view: View, layout: _Layout, table: F32, spec: InputSpec) -> None:
    """Lay the view into a (3, h, w) row of the tensor."""
    pixels = _resized(view.pixels, layout.width, layout.height)
    below, right = row.shape[1] - layout.top, row.shape[2] - layout.left
    # A view larger than its canvas is cut, at all sides alike.
    pixels = pixels[max(0, -layout.top) : below, max(0, -layout.left) : right]
    top, left = max(0, layout.top), max(0, layout.left)
    bottom, end = top + pixels.shape[0], left + pixels.shape[1]
    planes = cv2.split(pixels)
    ordered = planes[::-1] if spec.channels == "bgr" else planes
    for target, values, plane in zip(row, table, ordered, strict=True):
        # A table look-up takes a quarter of the time of numpy's own indexing.
        cv2.LUT(plane, values, dst=target[top:bottom, left:end])


def _resized(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Bilinear, as the models were trained; by area below half the size, where it would skip."""
    if pixels.shape[:2] == (height, width):
        return pixels
    reduced = pixels.shape[0] > 2 * height or pixels.shape[1] > 2 * width
    how = cv2.INTER_AREA if reduced else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), interpolation=how).astype(np.uint8, copy=False)


def _seen(view: View, layout: _Layout) -> Seen:
    return Seen(
        width=view.seen_width,
        height=view.seen_height,
        scale_x=layout.width / view.seen_width,
        scale_y=layout.height / view.seen_height,
        left=layout.left,
        top=layout.top,
        finding=view.finding,
    )


def _letterbox(width: int, height: int, spec: InputSpec) -> _Layout:
    """As large as fits, centred."""
    scale = min(spec.width / width, spec.height / height)
    laid_width = min(spec.width, max(1, round(width * scale)))
    laid_height = min(spec.height, max(1, round(height * scale)))
    return _Layout(
        spec.width,
        spec.height,
        laid_width,
        laid_height,
        (spec.width - laid_width) // 2,
        (spec.height - laid_height) // 2,
    )


def _centre(width: int, height: int, spec: InputSpec) -> _Layout:
    """The model's input is the centre of it: of a square picture, `keep` of each side."""
    keep = spec.options.get("keep", 1.0)
    scale = max(spec.width / keep / width, spec.height / keep / height)
    laid_width = max(spec.width, round(width * scale))
    laid_height = max(spec.height, round(height * scale))
    return _Layout(
        spec.width,
        spec.height,
        laid_width,
        laid_height,
        -((laid_width - spec.width) // 2),
        -((laid_height - spec.height) // 2),
    )


def _sides(width: int, height: int, spec: InputSpec) -> _Layout:
    """About its own size, sides rounded to `multiple`.

    First the longer side is reduced to `most_side`, then the shorter one enlarged to `least_side`,
    as PP-OCR has it. A picture longer than `most_ratio` times its short side is first padded to
    half that ratio: otherwise the enlarged tensor would be enormous and its text too.
    """
    least_short = max(width, height) / (spec.options.get("most_ratio", 8.0) / 2)
    slim = max(width, height) > spec.options.get("most_ratio", 8.0) * min(width, height)
    padded_width = max(width, round(least_short)) if slim else width
    padded_height = max(height, round(least_short)) if slim else height
    scale = min(1.0, spec.options.get("most_side", math.inf) / max(padded_width, padded_height))
    scale = max(scale, spec.options.get("least_side", 0.0) / min(padded_width, padded_height))
    canvas_width = _rounded(int(padded_width * scale), spec)
    canvas_height = _rounded(int(padded_height * scale), spec)
    laid_width = max(1, round(canvas_width * width / padded_width))
    laid_height = max(1, round(canvas_height * height / padded_height))
    return _Layout(
        canvas_width,
        canvas_height,
        laid_width,
        laid_height,
        (canvas_width - laid_width) // 2,
        (canvas_height - laid_height) // 2,
    )


def _rounded(side: int, spec: InputSpec) -> int:
    multiple = int(spec.options.get("multiple", 32))
    return max(multiple, round(side / multiple) * multiple)


def _strip(width: int, height: int, spec: InputSpec) -> _Layout:
    """The model's height, and the width that keeps the aspect, on at least the model's width.

    Option `wider` 0: nothing is wider than the model's width, longer strips are squeezed.
    """
    most = spec.height * _LONGEST_STRIP if spec.options.get("wider", 1) else spec.width
    laid = min(most, math.ceil(spec.height * width / height))
    steps = max(0, math.ceil((laid - spec.width) / _STRIP_STEP))
    return _Layout(spec.width + steps * _STRIP_STEP, spec.height, laid, spec.height)


_LAYOUTS: dict[str, Callable[[int, int, InputSpec], _Layout]] = {
    "letterbox": _letterbox,
    "centre": _centre,
    "sides": _sides,
    "strip": _strip,
}
