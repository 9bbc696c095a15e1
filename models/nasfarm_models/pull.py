"""Names of the catalogue to models in a home: fetch, convert, quantize, try, publish.

What was made once lies in the user's cache; from there a pull needs neither network nor onnx.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nasfarm.registry.publish import check_files, publish_version
from nasfarm.registry.store import ModelStore
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm_models.cache import Cache
from nasfarm_models.catalog import SAMPLE_PHOTOS, Entry, find_entry
from nasfarm_models.fetch import fetch

Say = Callable[[str], None]
"""Takes a line that tells the user what is going on."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """One model, or the photos, after a pull.

    state: `made` (fetched and made now), `cached` (came out of the user's cache), `there` (the
    home had it already).
    """

    name: str
    version: str
    state: str
    folder: str


def pull(
    names: Sequence[str], known: Sequence[Entry], cache: Cache, home: ModelStore | None, say: Say
) -> list[Pulled]:
    """Bring entries into the cache, and their models from there into `home` (None: not).

    Raises UnknownNameError, RetryError (code `fetch`) where the network is missing, RejectError,
    StorageError; nothing half-made is left by any of them.
    """
    pulled = []
    for entry in _each_once([find_entry(name, known) for name in names]):
        made = not _has(home, entry) and _into_cache(entry, known, cache, say)
        if not entry.models:
            state = "made" if made else "cached"
            pulled.append(
                Pulled(entry.name, entry.source.version, state, str(cache.folder_of(entry)))
            )
        pulled += _into_home(entry, cache.store, home, "made" if made else "cached")
    return pulled


def _has(home: ModelStore | None, entry: Entry) -> bool:
    """Whether the home has all of it: then a second box has nothing to fetch or to make."""
    if home is None or not entry.models:
        return False
    return all(each.version in home.versions(each.name) for each in entry.models)


def _into_home(
    entry: Entry, cached: ModelStore, home: ModelStore | None, state: str
) -> Iterator[Pulled]:
    for model in entry.models:
        folder = cached.version_folder(model.name, model.version)
        if home is not None:
            final = home.version_folder(model.name, model.version)
            if model.version in home.versions(model.name):
                # Another machine may have made it: its INT8 differs in the last digits, and stays.
                check_files(final)
                yield Pulled(model.name, model.version, "there", str(final))
                continue
            publish_version(folder, home)
            folder = final
        yield Pulled(model.name, model.version, state, str(folder))


def _into_cache(entry: Entry, known: Sequence[Entry], cache: Cache, say: Say) -> bool:
    """Whether something had to be fetched."""
    if cache.has(entry):
        return False
    needed = [find_entry(SAMPLE_PHOTOS, known)]
    if any(each.quantizer for each in entry.models):
        needed += [each for each in known if each.calibrates]
    with storage_errors(cache.folder), cache.locked(), _scratch(cache) as scratch:
        for wanted in _each_once((*needed, entry)):
            if not cache.has(wanted):
                _make(wanted, needed, cache, scratch / wanted.name, say)
    return True


def _make(entry: Entry, photos: Sequence[Entry], cache: Cache, scratch: Path, say: Say) -> None:
    """photos: entries whose photos are there, for what is made to be tried on."""
    source = entry.source
    say(f"{entry.name}: fetching {source}, about {source.download_mb} MB")
    with storage_errors(scratch):
        package = scratch / "package"
        package.mkdir(parents=True)
    files = fetch(source, scratch / "files", package)
    shutil.rmtree(package, ignore_errors=True)
    if entry.models:
        shown = [each for one in photos for each in cache.photos(one)]
        _make_models(entry, files, shown, cache, scratch, say)
        return
    folder = cache.folder_of(entry)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for path in files.values():
        write_file(folder / path.name, path.read_bytes())


def _make_models(
    entry: Entry,
    files: Mapping[str, Path],
    photos: Sequence[Path],
    cache: Cache,
    scratch: Path,
    say: Say,
) -> None:
    # Official ONNX Runtime wheels report to Microsoft unless told so before they are imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # onnx and onnxruntime take a second to import: only who makes a model pays for it.
    from nasfarm_models.build import build_version

    for model in entry.models:
        if model.version in cache.store.versions(model.name):
            continue
        say(f"{model.name}: making it")
        folder = scratch / model.name
        build_version(model, entry, files, photos, folder, say)
        publish_version(folder, cache.store)


def _each_once(entries: Sequence[Entry]) -> list[Entry]:
    return list({entry.name: entry for entry in entries}.values())


@contextmanager
def _scratch(cache: Cache) -> Iterator[Path]:
    """A hidden folder in the cache, gone afterwards; one that a killed pull left goes now."""
    for left in cache.folder.glob(".pull-*"):
        shutil.rmtree(left, ignore_errors=True)
    with storage_errors(cache.folder):
        folder = Path(tempfile.mkdtemp(prefix=".pull-", dir=cache.folder))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
