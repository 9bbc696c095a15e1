"""A share that answers late: the farm reads ahead, and loses next to nothing by it."""

from __future__ import annotations

import os
import statistics
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from farmyard import Farmyard
from needs import needs_tool

PHOTOS, ROUNDS = 240, 5


def late_reads(folder: Path) -> Path:
    """A library that makes every read of a picture take 20 ms more."""
    compiler = needs_tool("cc", "gcc")
    library = folder / "late_reads.so"
    source = Path(__file__).with_name("late_reads.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library


def photos_in(farm: Farmyard) -> Path:
    """Photos as a camera's, in a folder of the home."""
    folder = farm.home / "photos"
    folder.mkdir()
    kept = farm.ok("models", "show", "sample-photos", "--json").json["files"]
    for number, file in enumerate(kept):
        with Image.open(file) as image:
            camera = image.convert("RGB").resize((1920, 1080))
            camera.save(farm.folder / f"{number}.jpg", quality=90)
    for number in range(PHOTOS):
        os.link(farm.folder / f"{number % len(kept)}.jpg", folder / f"{number:04d}.jpg")
    return folder


@pytest.mark.alone
def test_20_ms_more_on_every_read_cost_less_than_a_tenth(
    tmp_path: Path, cached_models: None
) -> None:
    library = late_reads(tmp_path)
    near, far = Farmyard(tmp_path / "near"), Farmyard(tmp_path / "far")
    far.settings = {"LD_PRELOAD": str(library)}
    rates: dict[str, list[float]] = {"near": [], "far": []}
    try:
        folders = []
        for farm in (near, far):
            farm.folder.mkdir()
            farm.up()
            folders.append(photos_in(farm))
        for turn in range(ROUNDS + 1):
            for farm, folder in zip((near, far), folders, strict=True):
                answer = farm.submit(folder, "--recipe", "detect", "--again")
                assert (answer["ok"], answer["errors"]) == (PHOTOS, 0)
                if turn:  # the first opens models
                    rates[farm.folder.name].append(answer["images_per_s"])
    finally:
        near.close()
        far.close()
    kept = statistics.median(rates["far"]) / statistics.median(rates["near"])
    print(f"images a second: near {rates['near']}, far {rates['far']}; {kept:.3f} is kept")
    assert kept > 0.9
