"""A few photos to many of a camera's size: varied cuts, enlarged, and linked to as many names."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from nasfarm import setup
from nasfarm.errors import RejectError
from nasfarm.storage.atomic import storage_errors, write_file

FULL_HD = (1920, 1080)
TWELVE_MP = (4000, 3000)
QUALITY = 90
"""About what cameras and phones write."""

_LEAST_SIDE = 150
"""A smaller source would be nothing but blur once it is enlarged."""


def sample_photos(home: Path) -> list[Path]:
    """The sample photos that show things, not text. Raises RejectError where they are missing."""
    said = setup.farm_models(home, ["show", "sample-photos", "--json"], quiet=True)
    files = map(Path, json.loads(said)["files"])
    return [file for file in files if file.stem not in ("page", "text")]


def enlarged(
    sources: Sequence[Path], folder: Path, size: tuple[int, int], distinct: int
) -> list[Path]:
    """`distinct` JPEG files of `size` (width, height) in `folder`; those that are there are kept.

    The n-th is a cut of its own of the n-th source, taken in turn, mirrored or not: the same
    sources give the same files. Raises RejectError where no source is a photo, StorageError.
    """
    wanted = [folder / f"{n:03d}.jpg" for n in range(distinct)]
    if all(path.exists() for path in wanted):
        return wanted
    photos = [image for image in map(_opened, sources) if min(image.shape[:2]) >= _LEAST_SIDE]
    if not photos:
        raise RejectError(f"{folder}: none of {len(sources)} files is a photo to be enlarged")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for n, path in enumerate(wanted):
        cut = _cut(photos[n % len(photos)], size, np.random.default_rng(n))
        large = cv2.resize(cut, size, interpolation=cv2.INTER_CUBIC)
        _, content = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        write_file(path, content.tobytes())
    return wanted


def linked(files: Sequence[Path], folder: Path, count: int) -> list[Path]:
    """`count` names in a new `folder`, hard links to the files in turn. Raises StorageError."""
    with storage_errors(folder):
        folder.mkdir(parents=True)
        names = [folder / f"{n:07d}{files[n % len(files)].suffix.lower()}" for n in range(count)]
        for n, name in enumerate(names):
            os.link(files[n % len(files)], name)
    return names


def _opened(path: Path) -> cv2.typing.MatLike:
    """(h, w, 3) of the file; of no size where it is no picture."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return np.zeros((0, 0, 3), np.uint8) if image is None else image


def _cut(
    photo: cv2.typing.MatLike, size: tuple[int, int], chance: np.random.Generator
) -> cv2.typing.MatLike:
    """Six to ten tenths of the photo's width and height, of the shape of `size`."""
    height, width = photo.shape[:2]
    scale = min(width / size[0], height / size[1]) * chance.uniform(0.6, 1)
    cut_width, cut_height = int(size[0] * scale), int(size[1] * scale)
    left = int(chance.integers(0, width - cut_width + 1))
    top = int(chance.integers(0, height - cut_height + 1))
    cut = photo[top : top + cut_height, left : left + cut_width]
    return cut[:, ::-1] if chance.random() < 0.5 else cut
