"""A running farm whose leases would take far too long to run out, and 500 photos to work on.

The tests of a file share it: starting and stopping one takes longer than what most of them do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from farmyard import Farmyard

LEASE_S = 300
"""A chunk that had to wait for its lease to run out would fail every test here."""

PHOTOS = 500


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Iterator[Farmyard]:
    yard = Farmyard(tmp_path_factory.mktemp("farm"), {"FARM_LEASE_S": str(LEASE_S)})
    try:
        yard.up()
        yield yard
    finally:
        yard.close()


def as_a_camera_would(photo: Path, folder: Path) -> Path:
    """A photo as a JPEG of 640 pixels a side, which decodes in a moment."""
    path = folder / f"{photo.stem}.jpg"
    with Image.open(photo) as image:
        image.thumbnail((640, 640))
        image.convert("RGB").save(path, "JPEG", quality=90)
    return path


@pytest.fixture(scope="module")
def photos(farm: Farmyard) -> Path:
    """A folder of 500 photos in a root of the farm."""
    folder = farm.folder / "photos"
    folder.mkdir()
    kept = farm.ok("models", "show", "sample-photos", "--json").json["files"]
    first = [as_a_camera_would(Path(file), farm.folder) for file in kept]
    for i in range(PHOTOS):
        source = first[i % len(first)]
        os.link(source, folder / f"{i:04d}{source.suffix}")
    farm.ok("roots", "add", "photos", folder)
    return folder
