"""Models as the registry knows them: `name@version`, manifest, variants. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_REF = re.compile(r"([a-z0-9][a-z0-9._-]*)(?:@([A-Za-z0-9._-]+))?(?:/([a-z0-9-]+))?")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """What a user writes: `nanodet-g`, `nanodet-g@1`, `nanodet-g/fp32`, `nanodet-g@1/int8`."""

    name: str
    version: str | None = None
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> ModelRef | None:
        """None where `text` is not of that form."""
        match = _REF.fullmatch(text)
        return cls(*match.groups()) if match else None

    def __str__(self) -> str:
        version = f"@{self.version}" if self.version else ""
        return f"{self.name}{version}" + (f"/{self.variant}" if self.variant else "")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How a picture becomes the model's input.

    kind: `letterbox` (width × height, aspect kept, centred on black), `centre` (width × height cut
        out of the middle; option `keep`: the part of the shorter side that stays), `sides` (sides
        a multiple of 32, within the limits in `options`) or `strip` (fixed height, right-padded to
        the batch's widest).
    channels: `rgb` or `bgr`, the order the model wants.
    mean, std: per channel in that order, for values 0..255: x' = (x − mean) / std.
    """

    kind: str
    width: int
    height: int
    channels: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variant:
    """One ONNX file of a model."""

    name: str
    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """manifest.yml of one immutable model version.

    head: name of the head that reads the outputs; `head_options` are its numbers.
    batch: most rows one `session.run` should eat.
    default_variant: the one used where the user names none.
    """

    name: str
    version: str
    input: InputSpec
    head: str
    head_options: Mapping[str, float]
    batch: int
    variants: Mapping[str, Variant]
    default_variant: str
    licence: str
    source: str
    notes: str = ""


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """A model as a job holds it: exact version, variant and content."""

    name: str
    version: str
    variant: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}/{self.variant}"
