"""A pinned model on the share to a verified copy on this node's disk; sessions open only that."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from nasfarm.core.models import ModelManifest, PinnedModel
from nasfarm.core.wire import decode, encode
from nasfarm.errors import RejectError
from nasfarm.registry.publish import damaged, sha256_of
from nasfarm.registry.store import LABELS, MANIFEST, ModelStore
from nasfarm.storage.atomic import storage_errors, write_file, written

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What a copy looked like when its content was last verified."""

    file: str
    sha256: str
    bytes: int
    mtime_ns: int


def verified_copy(store: ModelStore, local: Path, pinned: PinnedModel) -> Path:
    """Path of the pinned variant's ONNX file under `local`, with the manifest and labels beside it.

    A copy that was verified before is taken without a look at the share, so a share that is away
    stops no node that has its models. Several processes may ask at once.

    Raises UnknownNameError where the share has no such model, RejectError (code `model`) where the
    share's file is damaged or is not what was pinned, StorageError.
    """
    folder = ModelStore(local).version_folder(pinned.name, pinned.version)
    stamp_path = folder / f".{pinned.variant}.verified"
    known = _still_good(folder, stamp_path, pinned)
    if known is not None:
        return known
    manifest = store.manifest(pinned.name, pinned.version)
    file = _pinned_file(manifest, pinned, store)
    target = folder / file
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not (target.is_file() and sha256_of(target) == pinned.sha256):
        _copy(store.version_folder(pinned.name, pinned.version) / file, target, pinned)
    _copy_description(store, folder, pinned)
    with storage_errors(target):
        state = target.stat()
    stamp = _Stamp(file, pinned.sha256, state.st_size, state.st_mtime_ns)
    write_file(stamp_path, encode(stamp))
    return target


def _still_good(folder: Path, stamp_path: Path, pinned: PinnedModel) -> Path | None:
    """The copy, where its stamp is for this content and the file is as it was then."""
    try:
        stamp = decode(_Stamp, stamp_path.read_bytes(), str(stamp_path))
        target = folder / stamp.file
        state = target.stat()
    except (OSError, RejectError):
        return None
    same = (stamp.sha256, stamp.bytes, stamp.mtime_ns) == (
        pinned.sha256,
        state.st_size,
        state.st_mtime_ns,
    )
    return target if same else None


def _pinned_file(manifest: ModelManifest, pinned: PinnedModel, store: ModelStore) -> str:
    variant = manifest.variants.get(pinned.variant)
    if variant is None or variant.sha256 != pinned.sha256:
        found = "no such variant" if variant is None else f"sha256 {variant.sha256}"
        place = store.version_folder(pinned.name, pinned.version)
        raise RejectError(
            f"{place}: {pinned} was chosen with sha256 {pinned.sha256}, found {found}. "
            "Submit the job again with the model that is there now.",
            code="model",
        )
    return variant.file


def _copy(source: Path, target: Path, pinned: PinnedModel) -> None:
    """Copy and verify in one read; on any doubt `target` stays as it was."""
    if source.parent.is_dir() and not source.exists():
        raise damaged(source, "it is missing", pinned.name)
    digest = hashlib.sha256()
    with storage_errors(source), source.open("rb") as reading, written(target) as writing:
        while block := reading.read(_BLOCK_BYTES):
            digest.update(block)
            writing.write(block)
        if digest.hexdigest() != pinned.sha256:
            found = f"sha256 is {digest.hexdigest()}, wanted {pinned.sha256}"
            raise damaged(source, found, pinned.name)


def _copy_description(store: ModelStore, folder: Path, pinned: PinnedModel) -> None:
    source = store.version_folder(pinned.name, pinned.version)
    for name in (LABELS, MANIFEST):
        with storage_errors(source / name):
            content = (source / name).read_bytes()
        write_file(folder / name, content)
