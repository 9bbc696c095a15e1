"""`farm models quantize` as a user runs it, on a small model and made photos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import smallnet
from nasfarm.core.models import ModelRef
from nasfarm.registry.store import ModelStore


def quantize(home: Path, *arguments: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "nasfarm", "--home", str(home), "models", "quantize", *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    smallnet.publish_small(ModelStore(tmp_path / "home" / "models"), tmp_path / "made")
    smallnet.write_photos(tmp_path / "photos", 20)
    return tmp_path / "home"


def test_a_variant_that_holds_its_gates_becomes_the_new_versions_own(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos" / "notes.txt").write_text("no photo")
    photos = str(tmp_path / "photos")
    done = quantize(home, "small", "--calibrate", photos, "--labels", photos, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["published"] == "small@2", said["report"]["verdict"]
    store = ModelStore(home / "models")
    assert store.versions("small") == ("1", "2")
    assert store.pin(ModelRef("small")).variant == "int8"
    report = said["report"]
    assert report["photos"] == {"calibrate": 12, "choose": 4, "judge": 4, "unreadable": 1}
    assert report["own"] == {"measure": "top-1", "images": 4, "fp32": 1.0, "variant": 1.0}
    assert report["agreement"]["classes"]["images"] == 4 * 24
    assert report["bytes"] < 0.5 * report["fp32_bytes"]
    kept = json.loads((store.version_folder("small", "2") / "report.json").read_bytes())
    assert kept["variants"]["int8"] == report
    assert {path.name for path in (home / "models" / "small" / "2").iterdir()} == {
        "LICENCE.txt", "fp32.onnx", "int8.onnx", "labels.txt", "manifest.yml", "report.json",
    }  # fmt: skip


def test_dynamic_int8_is_measured_and_not_published_as_it_is_slower(
    home: Path, tmp_path: Path
) -> None:
    done = quantize(home, "small", "--calibrate", str(tmp_path / "photos"), "--variant", "dynamic")
    assert done.returncode == 0, done.stderr
    assert "not active: it is not faster than FP32 here" in done.stdout
    assert "Nothing was published" in done.stderr
    assert ModelStore(home / "models").versions("small") == ("1",)
    assert {path.name for path in (home / "models").iterdir()} == {"small"}


@pytest.mark.parametrize(
    ("photos", "said"),
    [
        pytest.param("nowhere", "no such folder", id="no-folder"),
        pytest.param("home", "0 different photos can be read, at least 5", id="no-photos"),
    ],
)
def test_without_photos_it_says_what_is_needed(
    home: Path, tmp_path: Path, photos: str, said: str
) -> None:
    done = quantize(home, "small", "--calibrate", str(tmp_path / photos))
    assert done.returncode == 2
    assert said in done.stderr
