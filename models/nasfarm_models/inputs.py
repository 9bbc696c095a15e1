"""Photos to the batches a model eats, by the very code the workers use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from nasfarm.core.findings import Finding
from nasfarm.core.lines import Fault
from nasfarm.core.models import InputSpec
from nasfarm.errors import RejectError
from nasfarm.storage.atomic import storage_errors
from nasfarm_workers.pixels import Blob, Picture
from nasfarm_workers.runtime.batch import Batch, batches
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.views import crops, whole

_LARGEST = 1280
"""Pixels of the longer side that are kept: more than any model sees, and varied in no time."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Pictures that are made into batches whenever they are gone through: tensors take six times
    the room.

    forms: each picture is given as it is, and in forms − 1 others: cut, mirrored, darker, brighter;
    the same whenever they are asked for, and next to each other.
    """

    pictures: tuple[Picture, ...]
    spec: InputSpec
    most: int
    forms: int

    @classmethod
    def read(
        cls, photos: Sequence[Path], spec: InputSpec, most: int = 1, forms: int = 1
    ) -> Examples:
        """Raises RejectError (code `decode`), StorageError."""
        return cls(tuple(read_photo(photo) for photo in photos), spec, most, forms)

    def __iter__(self) -> Iterator[Batch]:
        """Batches of `most` pictures; a model of crops gets each picture as one crop."""
        waiting: list[Picture] = []
        for picture in self.pictures:
            waiting += [picture, *(varied(picture, number) for number in range(1, self.forms))]
            while len(waiting) >= self.most:
                yield from self._batches(waiting[: self.most])
                del waiting[: self.most]
        if waiting:
            yield from self._batches(waiting)

    def _batches(self, pictures: Sequence[Picture]) -> Iterator[Batch]:
        if self.spec.kind != "strip":
            return batches(whole(pictures), self.spec, self.most)
        frames = [[Finding((0, 0, each.width, each.height), score=1.0)] for each in pictures]
        return batches(crops(pictures, frames), self.spec, self.most)


def photo_batches(photos: Sequence[Path], spec: InputSpec, most: int = 1) -> list[Batch]:
    """Batches of at most `most` photos as they are. Raises RejectError (`decode`), StorageError."""
    return list(Examples.read(photos, spec, most))


def read_photo(path: Path) -> Picture:
    """Raises RejectError (code `decode`) where it is no photo, StorageError."""
    with storage_errors(path):
        content = path.read_bytes()
    picture = decode(Blob(content), path.name, _LARGEST)
    if isinstance(picture, Fault):
        raise RejectError(f"{path}: {picture.message}", code="decode")
    return picture


def varied(picture: Picture, number: int) -> Picture:
    """The picture cut to 0.6–1 of its sides, every second mirrored, 0.7–1.3 times as bright."""
    chance = np.random.default_rng(number)
    height, width = picture.pixels.shape[:2]
    part = chance.uniform(0.6, 1.0)
    tall, wide = max(1, round(height * part)), max(1, round(width * part))
    top = round((height - tall) * chance.uniform())
    left = round((width - wide) * chance.uniform())
    pixels = picture.pixels[top : top + tall, left : left + wide]
    if number % 2:
        pixels = pixels[:, ::-1]
    contrast, brightness = chance.uniform(0.7, 1.3), chance.uniform(-15, 15)
    pixels = cv2.convertScaleAbs(
        np.maximum(pixels * contrast + brightness, 0).astype(np.float32)
    ).astype(np.uint8, copy=False)
    return Picture(np.ascontiguousarray(pixels), wide, tall)
