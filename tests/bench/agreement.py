"""INT8 against FP32 on photos that neither calibrated nor chose it: boxes, classes, embeddings."""

from __future__ import annotations

from pathlib import Path

import cv2

from book import Book
from ground import MORE_PHOTOS, Ground
from nasfarm_models.cache import Cache, user_cache_folder
from nasfarm_models.catalog import entries, find_entry
from nasfarm_models.compare import agreement, answers
from nasfarm_models.inputs import Examples
from nasfarm_models.pull import pull
from nasfarm_workers.bench.photos import enlarged
from nasfarm_workers.bench.rounds import Rounds
from nasfarm_workers.runtime.session import open_session

VIEWS, SIZE = 160, (960, 720)
FRAME_STEP = 20
JUDGING = ("photos-of-rooms", "photos-of-travel")
"""Entries of the catalogue with photos that no variant was made with or chosen by."""
FORMS = 6
"""Each of those is shown in so many ways: cut, mirrored, darker, brighter."""
NAMES = {
    "nanodet-g": ("pooled_ap50",),
    "efficientnet-lite0": ("top1", "top1_where_sure", "cosine"),
}


def agreements(ground: Ground, book: Book) -> None:
    """`pooled_ap50 nanodet-g`; `top1 …`, `top1_where_sure …`, `cosine efficientnet-lite0`."""
    models = [
        model
        for model, names in NAMES.items()
        if book.wants(*(f"{name} {model}" for name in names)) and ground.has(model, "int8")
    ]
    if not models:
        return
    if not MORE_PHOTOS.exists():
        print(f"no agreement: {MORE_PHOTOS} is missing. Install Debian's package opencv-doc")
        return
    views, photos = unseen(ground), judging()
    for model in models:
        _agreement(ground, book, model, views, photos)


def unseen(ground: Ground) -> list[Path]:
    """Cuts of photos, and frames of a street, that the catalogue's calibration does not have."""
    sources = [path for path in ground.sources if path.is_relative_to(MORE_PHOTOS)]
    folder = ground.folder / "unseen"
    film = cv2.VideoCapture(str(MORE_PHOTOS / "vtest.avi"))
    views = enlarged(sources, folder, SIZE, VIEWS)
    number = 0
    while (seen := film.read())[0]:
        if number % FRAME_STEP == 0:
            views.append(folder / f"frame-{number:03d}.png")
            cv2.imwrite(str(views[-1]), seen[1])
        number += 1
    return views


def judging() -> list[Path]:
    """The photos to judge by, fetched when first asked for."""
    known, cache = entries(), Cache(user_cache_folder())
    pull(JUDGING, known, cache, None, print)
    return [photo for name in JUDGING for photo in cache.photos(find_entry(name, known))]


def _agreement(
    ground: Ground, book: Book, model: str, views: list[Path], photos: list[Path]
) -> None:
    manifest = ground.manifest(model)
    labels = ground.farm.home.models.labels(manifest.name, manifest.version)
    examples = [
        *Examples.read(views, manifest.input, manifest.batch),
        *Examples.read(photos, manifest.input, manifest.batch, FORMS),
    ]
    exact, small = (
        answers(open_session(ground.file(model, variant), 1), manifest, labels, examples)
        for variant in ("fp32", "int8")
    )
    found = agreement(exact, small)
    values = {"pooled_ap50": found.ap50, "cosine": found.cosine}
    if found.classes is not None:
        values |= {"top1": found.classes.top1, "top1_where_sure": found.classes.sure_top1}
    for name, value in values.items():
        if value is not None:
            book.keep("agreement", f"{name} {model}", Rounds((value,)))
