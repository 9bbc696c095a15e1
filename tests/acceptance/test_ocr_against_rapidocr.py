"""Our text stages find and read what rapidocr-onnxruntime's own pipeline finds and reads.

Both run the same three ONNX files, so what differs is what is around them: sizes, padding, growing
of boxes, order, batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from nasfarm.core.lines import Polygon
from nasfarm_models.cache import user_cache_folder
from nasfarm_workers.pixels import Blob, Picture
from nasfarm_workers.recipes.maps import map_named
from nasfarm_workers.runtime.decode import decode
from needs import needs
from stages import Stages

pytestmark = pytest.mark.short

SCENES = Path("/usr/share/doc/opencv-doc/examples/text")
TURNED = ("scenetext01", "scenetext02", "scenetext05")
LEAST_SHARE, LEAST_SCORE, LEAST_OVERLAP = 0.95, 0.8, 0.5


def read_texts(
    pictures: Sequence[Picture], folder: Path
) -> tuple[list[tuple[Any, ...]], list[int]]:
    """The texts of each picture, and how many session runs each of the three stages took."""
    stages = Stages(folder)
    recipe = stages.recipe("ocr")
    found = stages.find(pictures, recipe)
    read = map_named("ocr")
    seen = zip(found, pictures, strict=True)
    texts = [read(each, (one.width, one.height), recipe)["texts"] for each, one in seen]
    return [tuple(each) for each in texts], stages.runs(recipe)


def their_texts(blobs: Sequence[bytes]) -> list[list[tuple[Polygon, str, float]]]:
    """(polygon, text, score) of each line of each picture, by rapidocr's own pipeline."""
    rapid = pytest.importorskip("rapidocr_onnxruntime")
    engine = rapid.RapidOCR()
    found = [engine(blob)[0] or [] for blob in blobs]
    return [[(corners, text, float(score)) for corners, text, score in lines] for lines in found]


def overlap(one: Polygon, other: Polygon) -> float:
    """Intersection over union of two convex polygons."""
    first, second = (np.array(corners, dtype=np.float32) for corners in (one, other))
    shared, _ = cv2.intersectConvexConvex(first, second)
    return shared / (cv2.contourArea(first) + cv2.contourArea(second) - shared)


def same_words(one: str, other: str) -> bool:
    return "".join(one.split()).lower() == "".join(other.split()).lower()


def page() -> bytes:
    """scikit-image's page of text, as `farm models pull` brings it."""
    return (user_cache_folder() / "photos" / "page.png").read_bytes()


def turned(path: Path, degrees: int) -> bytes:
    file = BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").rotate(
            degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white"
        ).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def photos(cached_models: None) -> dict[str, bytes]:
    """Name → bytes: a page, six street scenes, three of them turned."""
    needs(SCENES.is_dir(), "street scenes are missing: apt-get install opencv-doc")
    scenes = sorted(SCENES.glob("scenetext0?.jpg"))
    named = {"page": page(), **{path.stem: path.read_bytes() for path in scenes}}
    for name, degrees in product(TURNED, (15, 180)):
        named[f"{name} by {degrees}°"] = turned(SCENES / f"{name}.jpg", degrees)
    assert len(named) == 13
    return named


def test_what_rapidocr_reads_surely_is_read_the_same(
    photos: dict[str, bytes], tmp_path: Path
) -> None:
    pictures = [decode(Blob(blob), name, 2000) for name, blob in photos.items()]
    ours, runs = read_texts([one for one in pictures if isinstance(one, Picture)], tmp_path)
    theirs = their_texts(list(photos.values()))
    sure, missed = 0, []
    for name, mine, lines in zip(photos, ours, theirs, strict=True):
        for polygon, text, score in lines:
            if score < LEAST_SCORE:
                continue
            sure += 1
            near = [own.text for own in mine if overlap(own.polygon, polygon) >= LEAST_OVERLAP]
            if not any(same_words(text, own) for own in near):
                missed.append(f"{name}: {text!r}, ours: {near}")
    assert sure >= 35
    print(f"{sure - len(missed)} of {sure} lines read the same; session runs {runs}")
    assert len(missed) <= (1 - LEAST_SHARE) * sure, missed

    crops_read = sum(len(texts) for texts in ours)
    assert runs[1] <= -(-crops_read // 16) + 1, "crops of many pictures share the turning batches"
    assert runs[2] < crops_read / 2, "crops of many pictures share the reading batches"
