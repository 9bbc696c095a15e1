"""Photos to three groups that share none: to calibrate with, to choose by, to judge on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nasfarm.errors import RejectError
from nasfarm.registry.publish import sha256_of

LEAST = 5
MOST = 250
"""Photos that are used at most: more make no better INT8, and take longer."""
SURE_FROM = 30
"""Photos to judge on from which a verdict is worth relying on: one odd photo of 30 is 3 %."""
_TURN = ("calibrate", "choose", "calibrate", "judge", "calibrate")


@dataclass(frozen=True, slots=True)
class Split:
    """Which photo serves what. No photo is in two groups, nor is a copy of it."""

    calibrate: tuple[Path, ...]
    choose: tuple[Path, ...]
    judge: tuple[Path, ...]


def split(photos: Sequence[Path], usable: Callable[[Path], bool] = lambda _: True) -> Split:
    """Three fifths to calibrate, one to choose, one to judge; the same photos always the same way.

    usable: whether a file can be read as a photo. Raises RejectError where too few are left,
    StorageError.
    """
    by_content: dict[str, Path] = {}
    for photo in sorted(photos, key=_shuffled):
        if len(by_content) == MOST:
            break
        if usable(photo):
            by_content.setdefault(sha256_of(photo), photo)
    if len(by_content) < LEAST:
        raise RejectError(
            f"{len(by_content)} different photos can be read, at least {LEAST} are needed and 150 "
            "are good. Name a folder with photos like those the model will see.",
            code="photos",
        )
    groups: dict[str, list[Path]] = {name: [] for name in _TURN}
    for number, sha256 in enumerate(sorted(by_content)):
        groups[_TURN[number % len(_TURN)]].append(by_content[sha256])
    return Split(tuple(groups["calibrate"]), tuple(groups["choose"]), tuple(groups["judge"]))


def _shuffled(photo: Path) -> bytes:
    """Neighbours in a folder are often of one scene: which are taken should not go by place."""
    return hashlib.sha256(photo.name.encode(errors="surrogateescape")).digest()
