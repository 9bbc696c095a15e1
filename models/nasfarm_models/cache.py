"""The user's cache folder: models that were made here once, and the sample photos."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nasfarm.registry.publish import sha256_of
from nasfarm.registry.store import ModelStore
from nasfarm.storage.atomic import storage_errors
from nasfarm_models.catalog import SAMPLE_PHOTOS, Entry


@dataclass(frozen=True, slots=True)
class Cache:
    """`folder` holds models/<name>/<version>/, photos/, and more photos in calibration/<entry>/."""

    folder: Path

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.folder / "models")

    @property
    def photo_folder(self) -> Path:
        """Where the sample photos lie."""
        return self.folder / "photos"

    def folder_of(self, entry: Entry) -> Path:
        """Where the photos of an entry lie."""
        if entry.name == SAMPLE_PHOTOS:
            return self.photo_folder
        return self.folder / "calibration" / entry.name

    def photos(self, entry: Entry) -> tuple[Path, ...]:
        """The entry's photos, or nothing where one is missing or damaged. Raises StorageError."""
        wanted = zip(entry.file_names, entry.source.files.values(), strict=True)
        folder = self.folder_of(entry)
        paths = [(folder / name, sha256) for name, sha256 in wanted]
        whole = all(path.is_file() and sha256_of(path) == sha256 for path, sha256 in paths)
        return tuple(path for path, _ in paths) if whole else ()

    def has(self, entry: Entry) -> bool:
        """Whether nothing of the entry needs to be fetched."""
        if not entry.models:
            return bool(self.photos(entry))
        return all(each.version in self.store.versions(each.name) for each in entry.models)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time fetches: the other then finds the work done."""
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def user_cache_folder() -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/nasfarm`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nasfarm"
