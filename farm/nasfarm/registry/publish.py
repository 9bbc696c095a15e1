"""A finished version folder into a store, whole or not at all; what is published stays as it is."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import yaml

from nasfarm.core.models import ModelManifest
from nasfarm.core.wire import plain
from nasfarm.errors import RejectError
from nasfarm.registry.store import (
    FORMAT,
    LABELS,
    MANIFEST,
    ModelStore,
    read_labels,
    read_manifest,
)
from nasfarm.storage.atomic import storage_errors, sync_folder, write_file


def write_description(folder: Path, manifest: ModelManifest, labels: Sequence[str]) -> None:
    """Write manifest.yml and labels.txt of a version that is being made. Raises StorageError."""
    broken = [label for label in labels if "\n" in label]
    if broken:
        raise RejectError(f"{folder}: the label {broken[0]!r} has a line break", code="model")
    record = {"format": FORMAT} | plain(manifest)
    text = yaml.safe_dump(record, sort_keys=False, allow_unicode=True, width=100)
    write_file(folder / LABELS, "".join(f"{label}\n" for label in labels).encode())
    write_file(folder / MANIFEST, text.encode())


def publish_version(folder: Path, store: ModelStore) -> bool:
    """Copy a version folder into `store`, where it appears in one step.

    Returns False where an equal one is there already. Raises RejectError where a different one
    is, or where `folder` does not hold what its manifest says; StorageError.
    """
    check_files(folder)
    manifest = read_manifest(folder)
    final = store.version_folder(manifest.name, manifest.version)
    if final.is_dir():
        return _left_as_it_is(folder, final, manifest)
    draft = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}")
    with storage_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(folder, draft, ignore=shutil.ignore_patterns(".*"))
            _sync_tree(draft)
            try:
                draft.rename(final)
            except OSError:
                if not final.is_dir():
                    raise
                return _left_as_it_is(folder, final, manifest)
            sync_folder(final.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return True


def check_files(folder: Path) -> None:
    """Read every variant's file of a version folder against its manifest.

    Raises RejectError that names the file that is missing or damaged.
    """
    manifest = read_manifest(folder)
    for variant in manifest.variants.values():
        path = folder / variant.file
        if not path.is_file():
            raise damaged(path, "it is missing", manifest.name)
        got = sha256_of(path)
        if got != variant.sha256:
            raise damaged(path, f"sha256 is {got}, wanted {variant.sha256}", manifest.name)


def damaged(path: Path, found: str, name: str) -> RejectError:
    """The error for a model file that is not what its manifest says, with what mends it."""
    return RejectError(
        f"{path}: not the file that {MANIFEST} describes: {found}. "
        f"Delete the folder {path.parent} and run `farm models pull {name}`.",
        code="model",
    )


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes. Raises StorageError."""
    with storage_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _left_as_it_is(folder: Path, final: Path, manifest: ModelManifest) -> bool:
    if _behaviour(folder) == _behaviour(final):
        return False
    raise RejectError(
        f"{final}: {manifest.name}@{manifest.version} is there with other content, and a published "
        "version never changes. Publish this one under a new version number.",
        code="model",
    )


def _behaviour(folder: Path) -> tuple[ModelManifest, tuple[str, ...]]:
    """All that results depend on: a reworded note is no other version."""
    manifest = read_manifest(folder)
    return dataclasses.replace(manifest, licence="", source="", notes=""), read_labels(folder)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)
