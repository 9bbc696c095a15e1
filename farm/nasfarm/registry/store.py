"""A folder of models to names, manifests, labels and exact versions. Reads only."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from nasfarm.core.models import ModelManifest, ModelRef, PinnedModel
from nasfarm.core.wire import convert
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.storage.atomic import storage_errors

FORMAT = 1
"""Format of manifest.yml; a newer one is refused."""
MANIFEST = "manifest.yml"
LABELS = "labels.txt"


class ModelStore:
    """`folder` holds `<name>/<version>/` with manifest.yml, labels.txt and the variants' files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """Models that have at least one version, in alphabetical order. Raises StorageError."""
        return tuple(name for name in sorted(_folders(self.folder)) if self.versions(name))

    def versions(self, name: str) -> tuple[str, ...]:
        """Versions of a model, oldest first: 2 comes before 10. Raises StorageError."""
        home = self.folder / name
        whole = (each for each in _folders(home) if (home / each / MANIFEST).is_file())
        return tuple(sorted(whole, key=_numeric))

    def version_folder(self, name: str, version: str) -> Path:
        """Where a version lies, or would lie."""
        return self.folder / name / version

    def manifest(self, name: str, version: str) -> ModelManifest:
        """Raises UnknownNameError where there is none, RejectError where it cannot be read."""
        self._expect(name, version)
        manifest = read_manifest(self.version_folder(name, version))
        if (manifest.name, manifest.version) != (name, version):
            raise RejectError(
                f"{self.version_folder(name, version)}: its {MANIFEST} is that of "
                f"{manifest.name}@{manifest.version}. Rename the folder, or pull the model again.",
                code="model",
            )
        return manifest

    def labels(self, name: str, version: str) -> tuple[str, ...]:
        """One a class, in class order; empty and blank ones count. Raises as `manifest` does."""
        self._expect(name, version)
        return read_labels(self.version_folder(name, version))

    def pin(self, ref: ModelRef) -> PinnedModel:
        """The exact model a reference means: the highest version and the default variant
        where it names none. Raises UnknownNameError with the nearest name there is.
        """
        if ref.version is None:
            self._expect(ref.name)
        version = ref.version or self.versions(ref.name)[-1]
        manifest = self.manifest(ref.name, version)
        variant = ref.variant or manifest.default_variant
        if variant not in manifest.variants:
            raise UnknownNameError.of(
                f"variant of {ref.name}@{version}", variant, manifest.variants
            )
        return PinnedModel(ref.name, version, variant, manifest.variants[variant].sha256)

    def _expect(self, name: str, version: str | None = None) -> None:
        versions = self.versions(name)
        if not versions:
            raise UnknownNameError.of(
                "model",
                name,
                self.names(),
                "Fetch one with: farm models pull NAME; `farm models catalog` shows the names.",
            )
        if version is not None and version not in versions:
            raise UnknownNameError.of(f"version of {name}", version, versions)


def read_manifest(folder: Path) -> ModelManifest:
    """A version folder's manifest.yml. Raises RejectError where it is not one, StorageError."""
    place = folder / MANIFEST
    with storage_errors(place):
        text = place.read_bytes()
    try:
        record = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RejectError(f"{place}: not YAML: {error}", code="model") from error
    if not isinstance(record, dict):
        raise RejectError(f"{place}: expected names and values, got {record!r}", code="model")
    found = record.pop("format", None)
    if found != FORMAT:
        raise RejectError(
            f"{place}: expected format {FORMAT}, got {found!r}. "
            "A newer nasfarm wrote it: update nasfarm here.",
            code="model",
        )
    return convert(ModelManifest, record, str(place))


def read_labels(folder: Path) -> tuple[str, ...]:
    """A version folder's labels.txt: only a line feed ends a label. Raises StorageError."""
    place = folder / LABELS
    with storage_errors(place):
        content = place.read_bytes()
    try:
        # Not splitlines(): alphabets of text models hold characters that it takes for line ends.
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise RejectError(f"{place}: not UTF-8: {error}", code="model") from error
    return tuple(lines[:-1] if lines[-1] == "" else lines)


def _folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, hidden ones left out: those are being written."""
    with storage_errors(folder):
        try:
            entries = list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [each.name for each in entries if not each.name.startswith(".") and each.is_dir()]


def _numeric(version: str) -> tuple[tuple[int, str], ...]:
    """A sort key in which runs of digits count as numbers."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)
