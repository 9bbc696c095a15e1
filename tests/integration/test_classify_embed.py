"""Whole pictures through the real farm: what they show, and how alike they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from farmyard import Farmyard

PHOTOS = ("chelsea.png", "coffee.png", "motorcycle_left.png", "motorcycle_right.png")


@pytest.fixture(scope="module")
def folder(common_farm: Farmyard, samples: dict[str, Path]) -> Path:
    """A cat, a cup of coffee, a motorcycle from two sides, and a file that is no picture."""
    path = common_farm.folder / "photos" / "whole-pictures"
    path.mkdir()
    for name in PHOTOS:
        shutil.copy(samples[name], path)
    (path / "damaged.jpg").write_bytes(b"\xff\xd8\xff no more")
    return path


def test_a_cat_is_called_a_cat_and_a_motorcycle_a_moped(
    common_farm: Farmyard, folder: Path, tmp_path: Path
) -> None:
    answer = common_farm.submit(folder, "--recipe", "classify", "--set", "top=3")
    assert (answer["state"], answer["ok"], answer["errors"]) == ("done", 4, 1)
    cat, coffee, damaged, *motorcycles = common_farm.lines(answer["job_id"])
    assert cat["classes"][0]["label"] in ("tabby", "tiger cat", "Egyptian cat")
    assert coffee["classes"][0]["label"] == "espresso"
    assert coffee["classes"][0]["score"] > 0.8
    assert damaged["status"] == "error"
    assert [line["classes"][0]["label"] for line in motorcycles] == ["moped", "moped"]
    for line in (cat, coffee, *motorcycles):
        scores = [kind["score"] for kind in line["classes"]]
        assert 1 <= len(scores) <= 3
        assert scores == sorted(scores, reverse=True)
        assert scores[-1] >= 0.1
    refused = common_farm.run("results", answer["job_id"], "--format", "coco")
    assert refused.code == 2
    assert "for things with a box" in refused.err
    assert not refused.out


def test_two_photos_of_one_thing_are_more_alike_than_others(
    common_farm: Farmyard, folder: Path, tmp_path: Path
) -> None:
    answer = common_farm.submit(folder, "--recipe", "embed")
    assert (answer["state"], answer["ok"], answer["errors"]) == ("done", 4, 1)
    path = tmp_path / "embeddings.npy"
    common_farm.ok("results", answer["job_id"], "-o", path)
    rows = np.load(path)
    assert (rows.shape, rows.dtype) == ((5, 1280), np.float16)
    assert np.isnan(rows[2]).all()  # the damaged one
    good = rows[[0, 1, 3, 4]].astype(np.float64)
    alike = good @ good.T
    np.testing.assert_allclose(np.diag(alike), 1, atol=2e-3)
    assert alike[2, 3] > 0.7
    assert np.delete(alike[3], [2, 3]).max() < 0.4
    for line in common_farm.lines(answer["job_id"]):
        assert line.get("embedding", -1) >= 0 or line["status"] == "error"
