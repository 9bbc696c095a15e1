"""What the registry finds in a folder of models, and what it says where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasfarm.core.models import InputSpec, ModelManifest, ModelRef, PinnedModel, Variant
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.registry.publish import publish_version, sha256_of, write_description
from nasfarm.registry.store import ModelStore

SPEC = InputSpec("letterbox", 416, 416, "bgr", (0, 0, 0), (1, 1, 1), {"multiple": 32})


def make_version(
    folder: Path,
    name: str = "finder",
    version: str = "1",
    contents: tuple[tuple[str, bytes], ...] = (("fp32", b"floats"), ("int8", b"bytes")),
    labels: tuple[str, ...] = ("person", "cat"),
    notes: str = "",
) -> Path:
    """A finished version folder, as the model tools leave it."""
    folder.mkdir(parents=True)
    variants = {}
    for variant, content in contents:
        path = folder / f"{variant}.onnx"
        path.write_bytes(content)
        variants[variant] = Variant(variant, path.name, sha256_of(path), len(content))
    manifest = ModelManifest(
        name, version, SPEC, "nanodet", {"nms": 0.6}, 8, variants, contents[-1][0], "MIT", "here",
        notes,
    )  # fmt: skip
    write_description(folder, manifest, labels)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    store = ModelStore(tmp_path / "models")
    for number in ("1", "2", "10"):
        publish_version(make_version(tmp_path / number, version=number), store)
    return store


def test_versions_are_in_the_order_of_their_numbers(store: ModelStore) -> None:
    assert store.versions("finder") == ("1", "2", "10")


def test_a_folder_that_does_not_exist_yet_has_no_models(tmp_path: Path) -> None:
    assert ModelStore(tmp_path / "nothing").names() == ()


def test_a_version_that_is_being_written_is_not_seen(store: ModelStore) -> None:
    make_version(store.folder / "finder" / ".11.abcd", version="11")
    (store.folder / "finder" / "12").mkdir()
    make_version(store.folder / ".draft" / "1", name="draft")
    assert store.versions("finder")[-1] == "10"
    assert store.names() == ("finder",)


def test_a_manifest_comes_back_as_it_was_written(store: ModelStore) -> None:
    manifest = store.manifest("finder", "2")
    assert manifest.input == SPEC
    assert manifest.head_options == {"nms": 0.6}
    assert manifest.variants["int8"].bytes == len(b"bytes")


@pytest.mark.parametrize(
    ("text", "version", "variant"),
    [
        pytest.param("finder", "10", "int8", id="newest-and-default"),
        pytest.param("finder@2", "2", "int8", id="version-named"),
        pytest.param("finder/fp32", "10", "fp32", id="variant-named"),
        pytest.param("finder@1/fp32", "1", "fp32", id="both-named"),
    ],
)
def test_a_reference_is_pinned_to_one_content(
    store: ModelStore, text: str, version: str, variant: str
) -> None:
    ref = ModelRef.parse(text)
    assert ref is not None
    sha256 = store.manifest("finder", version).variants[variant].sha256
    assert store.pin(ref) == PinnedModel("finder", version, variant, sha256)


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        pytest.param(ModelRef("findr"), "did you mean 'finder'", id="name"),
        pytest.param(ModelRef("findr"), "farm models pull", id="next-step"),
        pytest.param(ModelRef("finder", "3"), "version of finder", id="version"),
        pytest.param(ModelRef("finder", None, "int9"), "did you mean 'int8'", id="variant"),
    ],
)
def test_an_unknown_name_is_answered_with_what_there_is(
    store: ModelStore, ref: ModelRef, said: str
) -> None:
    with pytest.raises(UnknownNameError, match=said):
        store.pin(ref)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param((), id="none"),
        pytest.param(("", "a", " "), id="blank-first-space-last"),
        pytest.param(("a", "\u2028", "\x85", "\x0b", "\u3000"), id="characters-like-line-ends"),
        pytest.param(("a", ""), id="empty-last"),
    ],
)
def test_labels_come_back_one_a_class(tmp_path: Path, labels: tuple[str, ...]) -> None:
    store = ModelStore(tmp_path / "models")
    publish_version(make_version(tmp_path / "new", labels=labels), store)
    assert store.labels("finder", "1") == labels


def test_a_label_with_a_line_break_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RejectError, match="line break"):
        make_version(tmp_path / "new", labels=("a\nb",))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("format: 1", "format: 2", "update nasfarm", id="newer-format"),
        pytest.param("batch: 8", "batch: many", "batch", id="wrong-type"),
        pytest.param("batch: 8", "batsh: 8", "batsh", id="unknown-field"),
        pytest.param("name: finder", "name: loser", "loser@1", id="another-model's"),
        pytest.param("format: 1", "format: [", "not YAML", id="not-yaml"),
    ],
)
def test_a_manifest_that_cannot_be_right_is_refused_by_its_path(
    store: ModelStore, old: str, new: str, said: str
) -> None:
    path = store.version_folder("finder", "1") / "manifest.yml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(RejectError, match=said) as caught:
        store.manifest("finder", "1")
    assert str(path.parent) in str(caught.value)
