"""A model of a home and the user's photos to a variant that suits them, as a new version."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nasfarm.core.models import ModelManifest, ModelRef, Variant
from nasfarm.errors import RejectError
from nasfarm.registry.publish import (
    check_files,
    publish_version,
    sha256_of,
    write_description,
)
from nasfarm.registry.store import ModelStore
from nasfarm.storage.atomic import storage_errors
from nasfarm_models.inputs import read_photo
from nasfarm_models.quantize.engine import Order, VariantName, make_variant
from nasfarm_models.quantize.report import Report, write_report
from nasfarm_models.quantize.split import split

ONLY_BY_NAME = ("int8-vnni",)
"""Right on some processors only, so that no recipe takes it unless it is named."""
_FP32 = "fp32"


@dataclass(frozen=True, slots=True)
class Requantized:
    """published: the new version as `name@version`; empty where the variant missed a gate."""

    published: str
    report: Report


def requantize(
    store: ModelStore,
    ref: ModelRef,
    variant: VariantName,
    photos: Path,
    labelled: Path | None,
    say: Callable[[str], None],
) -> Requantized:
    """Make a variant of a model's FP32 and publish it where it holds its gates.

    photos: a folder, gone through with all below it. labelled: the user's own labels, if any.
    Raises UnknownNameError, RejectError, StorageError; then nothing is published.
    """
    pinned = store.pin(dataclasses.replace(ref, variant=None))
    folder = store.version_folder(pinned.name, pinned.version)
    check_files(folder)
    manifest = store.manifest(pinned.name, pinned.version)
    if _FP32 not in manifest.variants:
        raise RejectError(f"{folder}: it has no variant '{_FP32}' to start from", code="model")
    labels = store.labels(pinned.name, pinned.version)
    unreadable: list[Path] = []
    groups = split(_files(photos), lambda photo: _is_photo(photo, unreadable))
    order = Order(
        f"{pinned.name}@{pinned.version}",
        variant, manifest, labels, groups, labelled, len(unreadable),
    )  # fmt: skip
    with _draft(store) as draft:
        target = draft / f"{variant}.onnx"
        report = make_variant(order, folder / manifest.variants[_FP32].file, target, say)
        if not report.verdict.active:
            return Requantized("", report)
        made = _manifest(manifest, _next(store.versions(pinned.name)), target)
        for name in {each.file for each in made.variants.values()} | {"LICENCE.txt"}:
            if (folder / name).is_file() and name != target.name:
                shutil.copyfile(folder / name, draft / name)
        write_report(draft, report, earlier=folder)
        write_description(draft, made, labels)
        publish_version(draft, store)
    return Requantized(f"{made.name}@{made.version}", report)


def _manifest(earlier: ModelManifest, version: str, made: Path) -> ModelManifest:
    """The earlier version's, with one variant more, or another one in place of one."""
    name = made.stem
    variant = Variant(name, made.name, sha256_of(made), made.stat().st_size)
    return dataclasses.replace(
        earlier,
        version=version,
        variants={**earlier.variants, name: variant},
        default_variant=earlier.default_variant if name in ONLY_BY_NAME else name,
        source=f"{earlier.name}@{earlier.version}, {name} made by `farm models quantize`",
    )


def _next(versions: tuple[str, ...]) -> str:
    """The number after the highest: `2` after `1`."""
    numbers = [int(each) for each in versions if each.isdigit()]
    return str(max(numbers, default=0) + 1)


def _files(place: Path) -> list[Path]:
    """The folder's files, hidden ones left out; a single file as it is."""
    if not place.exists():
        raise RejectError(f"{place}: no such folder. Name one with photos.", code="photos")
    if place.is_file():
        return [place]
    with storage_errors(place):
        found = [
            Path(folder) / name
            for folder, folders, names in os.walk(place)
            for name in names
            if not name.startswith(".") and not folders.sort()
        ]
    return sorted(found)


def _is_photo(path: Path, unreadable: list[Path]) -> bool:
    try:
        read_photo(path)
    except RejectError:
        unreadable.append(path)
        return False
    return True


@contextmanager
def _draft(store: ModelStore) -> Iterator[Path]:
    """A hidden folder beside the models, gone afterwards."""
    with storage_errors(store.folder):
        store.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".quantize-", dir=store.folder))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
