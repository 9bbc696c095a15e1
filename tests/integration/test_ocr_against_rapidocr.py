"""Our text stages find and read what rapidocr-onnxruntime's own pipeline finds and reads.

Both run the same three ONNX files, so what differs is what is around them: sizes, padding, growing
of boxes, order, batches.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
import yaml
from PIL import Image

from nasfarm.core.findings import Finding
from nasfarm.core.lines import Polygon
from nasfarm.core.models import InputSpec
from nasfarm_models.cache import user_cache_folder
from nasfarm_workers.heads.registry import head_named
from nasfarm_workers.pixels import Picture, View
from nasfarm_workers.recipes.maps import map_named
from nasfarm_workers.runtime.batch import batches
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.views import by_picture, crops, whole

SCENES = Path("/usr/share/doc/opencv-doc/examples/text")
CATALOG = Path(__file__).parents[2] / "models" / "catalog" / "ppocr-v4.yml"
TURNED = ("scenetext01", "scenetext02", "scenetext05")
LEAST_SHARE, LEAST_SCORE, LEAST_OVERLAP = 0.95, 0.8, 0.5


def needed(condition: bool, what: str) -> None:
    """Skip where a laptop lacks something; in CI its absence is a failure."""
    if not condition:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


@dataclass(slots=True)
class Model:
    """One catalog entry with an open session, and how often that ran."""

    entry: Mapping[str, Any]
    session: Any
    labels: tuple[str, ...]
    runs: int = 0

    def look(self, views: Sequence[View], pictures: int) -> list[tuple[Finding, ...]]:
        rows: list[tuple[Finding, ...]] = [()] * len(views)
        spec = InputSpec(**self.entry["input"])
        for batch in batches(views, spec, self.entry["batch"]):
            self.runs += 1
            outputs = self.session.run(None, {self.session.get_inputs()[0].name: batch.tensor})
            head = head_named(self.entry["head"])
            found = head(outputs, batch.seen, self.entry["head_options"], {}, self.labels)
            for row, findings in zip(batch.rows, found, strict=True):
                rows[row] = findings
        return by_picture(views, rows, pictures)


def opened(entry: Mapping[str, Any], folder: Path) -> Model:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = folder / Path(entry["file"]).name
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    labels = tuple(entry.get("labels", ()))
    if alphabet := session.get_modelmeta().custom_metadata_map.get(entry.get("alphabet_key", "")):
        labels = ("", *alphabet.splitlines(), " ")
    return Model(entry, session, labels)


def read_texts(pictures: Sequence[Picture]) -> tuple[list[tuple[Any, ...]], list[int]]:
    """The texts of each picture, and how many session runs each of the three stages took."""
    rapid = pytest.importorskip("rapidocr_onnxruntime")
    entries = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))["models"]
    models = [opened(entry, Path(rapid.__file__).parent / "models") for entry in entries]
    found = models[0].look(whole(pictures), len(pictures))
    for model in models[1:]:
        found = model.look(crops(pictures, found), len(pictures))
    texts = [tuple(map_named("ocr")(findings)["texts"]) for findings in found]
    return texts, [model.runs for model in models]


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
    path = user_cache_folder() / "photos" / "page.png"
    if not path.exists():
        pull = [sys.executable, "-m", "nasfarm", "models", "pull", "sample-photos"]
        subprocess.run([*pull, "--to-cache-only"], check=False, timeout=300)
    needed(path.exists(), "the sample photos are missing and cannot be pulled")
    return path.read_bytes()


def turned(path: Path, degrees: int) -> bytes:
    file = BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").rotate(
            degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white"
        ).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def photos() -> dict[str, bytes]:
    """Name → bytes: a page, six street scenes, three of them turned."""
    needed(SCENES.is_dir(), "street scenes are missing: apt-get install opencv-doc")
    scenes = sorted(SCENES.glob("scenetext0?.jpg"))
    named = {"page": page(), **{path.stem: path.read_bytes() for path in scenes}}
    for name, degrees in product(TURNED, (15, 180)):
        named[f"{name} by {degrees}°"] = turned(SCENES / f"{name}.jpg", degrees)
    assert len(named) == 13
    return named


def test_what_rapidocr_reads_surely_is_read_the_same(photos: dict[str, bytes]) -> None:
    pictures = [decode(blob, name, 2000) for name, blob in photos.items()]
    ours, runs = read_texts([one for one in pictures if isinstance(one, Picture)])
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
    assert len(missed) <= (1 - LEAST_SHARE) * sure, missed

    crops_read = sum(len(texts) for texts in ours)
    assert runs[1] <= -(-crops_read // 16) + 1, "crops of many pictures share the turning batches"
    assert runs[2] < crops_read / 2, "crops of many pictures share the reading batches"
