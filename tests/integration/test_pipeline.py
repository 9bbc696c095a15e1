"""The pipeline over a chunk: crops of many images share batches, and each image is on its own."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from nasfarm_models.cache import user_cache_folder
from nasfarm_workers.pixels import Blob, Picture
from nasfarm_workers.runtime.decode import decode
from stages import Stages

MOST_IN_A_CLS_BATCH = 16


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Stages:
    return Stages(tmp_path_factory.mktemp("stages"))


def photo(name: str, max_side: int) -> Picture:
    path = user_cache_folder() / "photos" / name
    picture = decode(Blob(path.read_bytes()), name, max_side)
    assert isinstance(picture, Picture)
    return picture


def test_crops_of_several_images_share_session_runs(stages: Stages) -> None:
    recipe = stages.recipe("ocr")
    pictures = [photo("page.png", 2000)] * 3
    before = stages.runs(recipe)
    found = stages.find(pictures, recipe)
    det, cls, rec = (now - then for now, then in zip(stages.runs(recipe), before, strict=True))
    crops = sum(len(findings) for findings in found)
    print(f"{crops} crops of 3 images: {cls} runs to turn, {rec} to read")
    assert det == 3
    assert crops >= 15
    assert cls <= -(-crops // MOST_IN_A_CLS_BATCH) + 1
    assert rec <= crops / 3


def test_what_is_found_on_an_image_does_not_depend_on_its_neighbours(stages: Stages) -> None:
    recipe = stages.recipe("ocr")
    page, text = photo("page.png", 2000), photo("text.png", 2000)
    alone = stages.find([page], recipe) + stages.find([text], recipe)
    assert stages.find([page, text], recipe) == alone
    assert stages.find([text, page, text], recipe) == [alone[1], alone[0], alone[1]]


def test_a_batch_of_photos_is_one_session_run(stages: Stages) -> None:
    recipe = stages.recipe("detect", "model=nanodet-g/fp32")
    pictures = [photo(name, 416) for name in ("astronaut.png", "chelsea.png", "coffee.png")]
    before = stages.runs(recipe)
    found = stages.find(pictures, recipe)
    assert stages.runs(recipe) == [before[0] + 1]
    assert [max(found[n], key=lambda one: one.score).label for n in (0, 1)] == ["person", "cat"]


def test_a_chunk_without_a_readable_picture_runs_no_model(stages: Stages) -> None:
    recipe = stages.recipe("ocr")
    before = stages.runs(recipe)
    assert stages.find([], recipe) == []
    assert stages.runs(recipe) == before


def test_a_picture_without_text_costs_the_later_stages_nothing(stages: Stages) -> None:
    recipe = stages.recipe("ocr")
    image = Image.new("RGB", (400, 300), "white")
    ImageDraw.Draw(image).ellipse((100, 80, 220, 200), fill="navy")
    blank = Picture(_pixels(image), 400, 300)
    before = stages.runs(recipe)
    assert stages.find([blank], recipe) == [()]
    assert [now - then for now, then in zip(stages.runs(recipe), before, strict=True)] == [1, 0, 0]


def _pixels(image: Image.Image):  # type: ignore[no-untyped-def]
    import numpy as np

    return np.asarray(image)
