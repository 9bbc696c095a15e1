"""Broken pictures, bombs and damaged photos: one line each, and workers that stay up and small."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from corpus import FORMATS, broken, damaged, saved
from PIL import Image

from farmyard import Farmyard

CAP_MB = 1000
IMAGE_TIMEOUT_S = 20
MUTATIONS = 2_000
PHOTO_SIDE = 200

OVER_THE_CAP = {"bomb-100-megapixels.webp"}
"""A sound picture, but its decoder takes more than the cap: it may cost a worker, and itself."""


@pytest.fixture
def farm(tmp_path: Path, cached_models: None) -> Iterator[Farmyard]:
    settings = {
        "FARM_LEASE_S": "6",
        "FARM_SLOT_MEMORY_MB": str(CAP_MB),
        "FARM_IMAGE_TIMEOUT_S": str(IMAGE_TIMEOUT_S),
    }
    yard = Farmyard(tmp_path, settings)
    try:
        yard.up()
        yield yard
    finally:
        yard.close()


@pytest.fixture
def real_photos(farm: Farmyard) -> list[Image.Image]:
    """The sample photos, small."""
    kept = farm.ok("models", "show", "sample-photos", "--json").json["files"]
    found = []
    for path in sorted(kept):
        with Image.open(path) as image:
            image.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
            found.append(image.convert("RGB"))
    return found


def run(farm: Farmyard, folder: Path, names: list[str]) -> list[dict[str, Any]]:
    """The lines of a job of everything in `folder`: one a file, and the workers live on."""
    before = farm.slot_pids()
    answer = farm.submit(folder, "--recipe", "detect", timeout_s=900)
    assert answer["state"] == "done"
    lines = farm.lines(answer["job_id"])
    there = Counter(line["item"].rpartition("/")[2] for line in lines)
    lost, doubled = set(names) - set(there), [name for name, n in there.items() if n > 1]
    codes = Counter(line["error"]["code"] for line in lines if line["status"] == "error")
    children = [child for pid in farm.slot_pids() for child in psutil.Process(pid).children()]
    largest = max(child.memory_info().rss for child in children) >> 20
    print(f"{len(names)} files: lost {len(lost)}, doubled {len(doubled)}, errors {dict(codes)}")
    print(f"largest worker afterwards: {largest} MB of {CAP_MB}")
    assert (lost, doubled) == (set(), [])
    assert len(lines) == len(names)
    assert farm.slot_pids() == before, "a worker went down"
    assert largest < CAP_MB
    return lines


def test_every_kind_of_broken_file_has_one_line(
    farm: Farmyard, real_photos: list[Image.Image], chance: random.Random
) -> None:
    folder = farm.home / "broken"
    folder.mkdir()
    files = broken(real_photos[0], chance)
    assert len(files) >= 60
    for name, content in files.items():
        (folder / name).write_bytes(content)
    lines = run(farm, folder, list(files))
    for line in lines:
        name = line["item"].rpartition("/")[2]
        print(f"  {name:40} {line['status']:6} {line.get('error', {}).get('code', '')}")
    deadly = {
        line["item"].rpartition("/")[2]
        for line in lines
        if line.get("error", {}).get("code") in ("crashed", "timeout")
    }
    assert deadly <= OVER_THE_CAP


def test_two_thousand_damaged_photos_have_one_line_each(
    farm: Farmyard, real_photos: list[Image.Image], chance: random.Random
) -> None:
    folder = farm.home / "damaged"
    folder.mkdir()
    whole = [(kind, saved(photo, kind)) for photo in real_photos for kind in FORMATS]
    names = []
    for n in range(MUTATIONS):
        kind, content = chance.choice(whole)
        names.append(f"{n:04d}.{FORMATS[kind]}")
        (folder / names[-1]).write_bytes(damaged(content, chance))
    lines = run(farm, folder, names)
    good = sum(line["status"] == "ok" for line in lines)
    assert MUTATIONS * 0.05 < good < MUTATIONS, "too mild or too harsh to tell anything"
