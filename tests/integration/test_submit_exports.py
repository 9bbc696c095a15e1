"""A finished job in the formats other programs read."""

from __future__ import annotations

import csv
import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from farmyard import Farmyard

THINGS = ("astronaut.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg")


@pytest.fixture(scope="module")
def folder(common_farm: Farmyard, samples: dict[str, Path]) -> Path:
    """Four photos, one with a Chinese name, and a file that is none."""
    path = common_farm.folder / "photos" / "exported"
    path.mkdir()
    for name in THINGS:
        shutil.copy(samples[name], path)
    (path / "chelsea.png").rename(path / "猫.png")
    (path / "text.jpg").write_text("no picture")
    return path


@pytest.fixture(scope="module")
def job_id(common_farm: Farmyard, folder: Path) -> str:
    """A finished job over them."""
    return str(common_farm.submit(folder, "--recipe", "detect")["job_id"])


def test_coco_loads_in_pycocotools_and_agrees_with_itself(
    common_farm: Farmyard, folder: Path, job_id: str, tmp_path: Path
) -> None:
    path = tmp_path / "coco.json"
    ran = common_farm.ok("results", job_id, "--format", "coco", "-o", path)
    assert "1 failed" in ran.err
    with redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        found = truth.loadRes(
            [
                {name: each[name] for name in ("image_id", "category_id", "bbox", "score")}
                for each in truth.dataset["annotations"]
            ]
        )
        judge = COCOeval(truth, found, "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert judge.stats[0] > 0.999, "each box is found where it is"
    names = {image["file_name"] for image in truth.dataset["images"]}
    assert names == {
        f"{folder.name}/{name}" for name in (*THINGS, "猫.png") if name != "chelsea.png"
    }
    labels = {
        truth.loadCats(each["category_id"])[0]["name"] for each in truth.dataset["annotations"]
    }
    assert {"person", "cat", "motorcycle"} <= labels
    assert len(truth.getCatIds()) == 80


def test_jsonl_is_the_result_file_on_stdout_or_in_a_file(
    common_farm: Farmyard, job_id: str, tmp_path: Path
) -> None:
    results = (common_farm.home / "jobs" / job_id / "results.jsonl").read_text()
    ran = common_farm.ok("results", job_id, "--format", "jsonl")
    assert [json.loads(line) for line in ran.out.splitlines()] == [
        json.loads(line) for line in results.splitlines()
    ]
    common_farm.ok("results", job_id, "-o", tmp_path / "r.jsonl")
    assert (tmp_path / "r.jsonl").read_text() == ran.out


def test_csv_has_a_row_for_each_thing_and_each_failed_picture(
    common_farm: Farmyard, folder: Path, job_id: str
) -> None:
    out = common_farm.ok("results", job_id, "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(out.removeprefix("\ufeff"))))
    lines = common_farm.lines(job_id)
    assert len(rows) == sum(max(1, len(line.get("detections", ()))) for line in lines)
    [failed] = [row for row in rows if row["status"] == "error"]
    assert (failed["item"], failed["error_code"]) == (f"photos:{folder.name}/text.jpg", "decode")
    [cat] = [row for row in rows if row["label"] == "cat"]
    assert cat["item"].endswith("猫.png")
    assert 0 <= float(cat["x1"]) < float(cat["x2"]) <= float(cat["width"])


def test_yolo_is_a_folder_with_a_file_a_picture(
    common_farm: Farmyard, folder: Path, job_id: str, tmp_path: Path
) -> None:
    common_farm.ok("results", job_id, "--format", "yolo", "-o", tmp_path / "yolo")
    files = sorted((tmp_path / "yolo" / "photos" / folder.name).iterdir())
    assert {path.name for path in files} == {
        "astronaut.txt", "猫.txt", "motorcycle_left.txt", "rocket.txt",
    }  # fmt: skip
    classes = (tmp_path / "yolo" / "classes.txt").read_text().splitlines()
    first = (tmp_path / "yolo" / "photos" / folder.name / "astronaut.txt").read_text().split()
    assert classes[int(first[0])] == "person"
    assert all(0 <= float(number) <= 1 for number in first[1:5])
    again = common_farm.run("results", job_id, "--format", "yolo", "-o", tmp_path / "yolo")
    assert again.code == 2, "a folder with files in it is left alone"
