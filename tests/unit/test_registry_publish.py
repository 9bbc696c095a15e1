"""How versions get into a store, and how nodes get verified copies out of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_registry_store import make_version

from nasfarm.core.models import ModelRef
from nasfarm.errors import RejectError, StorageError, UnknownNameError
from nasfarm.registry.publish import publish_version
from nasfarm.registry.store import ModelStore
from nasfarm.registry.sync import verified_copy


@pytest.fixture
def share(tmp_path: Path) -> ModelStore:
    store = ModelStore(tmp_path / "share" / "models")
    publish_version(make_version(tmp_path / "new"), store)
    return store


@pytest.fixture
def local(tmp_path: Path) -> Path:
    return tmp_path / "state" / "models"


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_version_is_published_whole_and_without_leftovers(share: ModelStore) -> None:
    assert everything_in(share.folder / "finder") == [
        "1", "1/fp32.onnx", "1/int8.onnx", "1/labels.txt", "1/manifest.yml",
    ]  # fmt: skip


def test_publishing_the_same_again_changes_nothing(share: ModelStore, tmp_path: Path) -> None:
    before = share.version_folder("finder", "1").stat()
    again = make_version(tmp_path / "again", notes="only the note is worded anew")
    assert publish_version(again, share) is False
    assert share.version_folder("finder", "1").stat() == before


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"contents": (("fp32", b"floats"), ("int8", b"other"))}, id="content"),
        pytest.param({"labels": ("person", "dog")}, id="labels"),
    ],
)
def test_a_published_version_never_changes(
    share: ModelStore, tmp_path: Path, other: dict[str, tuple[str, ...]]
) -> None:
    different = make_version(tmp_path / "different", **other)  # type: ignore[arg-type]
    with pytest.raises(RejectError, match="new version number"):
        publish_version(different, share)
    assert (share.version_folder("finder", "1") / "int8.onnx").read_bytes() == b"bytes"
    assert share.labels("finder", "1") == ("person", "cat")


@pytest.mark.parametrize("broken", ["missing", "damaged"])
def test_a_folder_that_is_not_what_it_says_is_not_published(tmp_path: Path, broken: str) -> None:
    folder = make_version(tmp_path / "new")
    if broken == "missing":
        (folder / "int8.onnx").unlink()
    else:
        (folder / "int8.onnx").write_bytes(b"Bytes")
    store = ModelStore(tmp_path / "models")
    with pytest.raises(RejectError, match=r"int8\.onnx"):
        publish_version(folder, store)
    assert store.names() == ()


def test_a_copy_is_made_with_labels_and_manifest(share: ModelStore, local: Path) -> None:
    path = verified_copy(share, local, share.pin(ModelRef("finder")))
    assert path == local / "finder" / "1" / "int8.onnx"
    assert path.read_bytes() == b"bytes"
    assert ModelStore(local).labels("finder", "1") == ("person", "cat")
    assert ModelStore(local).pin(ModelRef("finder")) == share.pin(ModelRef("finder"))


def test_a_verified_copy_needs_the_share_no_more(share: ModelStore, local: Path) -> None:
    pinned = share.pin(ModelRef("finder"))
    path = verified_copy(share, local, pinned)
    share.folder.rename(share.folder.with_name("away"))
    assert verified_copy(share, local, pinned) == path


def test_a_second_variant_joins_the_first(share: ModelStore, local: Path) -> None:
    int8 = verified_copy(share, local, share.pin(ModelRef("finder")))
    fp32 = verified_copy(share, local, share.pin(ModelRef("finder", None, "fp32")))
    assert (int8.read_bytes(), fp32.read_bytes()) == (b"bytes", b"floats")


@pytest.mark.parametrize("again", [True, False], ids=["copied-before", "first-time"])
def test_a_damaged_file_on_the_share_is_refused(
    share: ModelStore, local: Path, again: bool
) -> None:
    pinned = share.pin(ModelRef("finder"))
    on_share = share.version_folder("finder", "1") / "int8.onnx"
    if again:
        verified_copy(share, local, pinned).unlink()
    on_share.write_bytes(b"byteS")
    with pytest.raises(RejectError, match="farm models pull finder") as caught:
        verified_copy(share, local, pinned)
    assert str(on_share) in str(caught.value)
    assert caught.value.code == "model"
    assert not [name for name in everything_in(local) if "onnx" in name]


def test_a_changed_local_copy_is_replaced(share: ModelStore, local: Path) -> None:
    pinned = share.pin(ModelRef("finder"))
    path = verified_copy(share, local, pinned)
    path.write_bytes(b"BYTES")
    os.utime(path, ns=(1, 1))
    assert verified_copy(share, local, pinned).read_bytes() == b"bytes"


def test_a_touched_local_copy_is_verified_and_kept(share: ModelStore, local: Path) -> None:
    pinned = share.pin(ModelRef("finder"))
    path = verified_copy(share, local, pinned)
    os.utime(path, ns=(1, 1))
    verified_copy(share, local, pinned)
    assert path.stat().st_mtime_ns == 1, "it was copied once more"


def test_a_model_that_is_gone_or_another_is_refused(
    share: ModelStore, local: Path, tmp_path: Path
) -> None:
    pinned = share.pin(ModelRef("finder"))
    other = ModelStore(tmp_path / "other")
    with pytest.raises(UnknownNameError, match="finder"):
        verified_copy(other, local, pinned)
    changed = make_version(tmp_path / "changed", contents=(("int8", b"others"),))
    publish_version(changed, other)
    with pytest.raises(RejectError, match="Submit the job again"):
        verified_copy(other, local, pinned)


def test_a_disk_that_takes_no_copy_is_a_reason_to_try_later(
    share: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file"):
        verified_copy(share, tmp_path / "file" / "models", share.pin(ModelRef("finder")))


def test_several_processes_may_copy_at_once(share: ModelStore, local: Path) -> None:
    script = """
import sys
from pathlib import Path
from nasfarm.core.models import ModelRef
from nasfarm.registry.store import ModelStore
from nasfarm.registry.sync import verified_copy
store = ModelStore(Path(sys.argv[1]))
for _ in range(10):
    path = verified_copy(store, Path(sys.argv[2]), store.pin(ModelRef("finder")))
    assert path.read_bytes() == b"bytes"
    (path.parent / ".int8.verified").unlink(missing_ok=True)
"""
    command = [sys.executable, "-c", script, str(share.folder), str(local)]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [each.wait(60) for each in running] == [0, 0, 0]
    names = everything_in(local / "finder" / "1")
    assert not [name for name in names if name.startswith(".") and name != ".int8.verified"]
