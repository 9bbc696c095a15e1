"""Result lines: what is said of one item, once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nasfarm.core.items import Frame

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright original."""
Polygon = tuple[tuple[float, float], ...]
"""Corners in pixels of the upright original, clockwise from the top left of the text."""

FAINT = "faint"
"""The field with detections that were not sure enough to be said: only reduces look at it."""

FAULT_CODES = (
    "missing",
    "decode",
    "too_large",
    "unsupported",
    "forbidden",
    "timeout",
    "crashed",
    "storage",
    "model",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an item has no result. `code` is one of FAULT_CODES."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Detection:
    """A thing found: label, class number, score 0..1, box."""

    label: str
    class_id: int
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Placed(Detection):
    """A thing whose foot point lies in zones of the recipe, and their names."""

    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text read: what it says, score 0..1, four corners."""

    text: str
    score: float
    polygon: Polygon


@dataclass(frozen=True, slots=True)
class Class:
    """What a whole picture shows: label, and how sure the model is, 0..1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Embedding:
    """A picture's fingerprint, numbers of float16, the low byte first.

    A line holds only its row: the numbers themselves lie in the chunk's .npy file.
    """

    vector: bytes


Fields = Mapping[str, tuple[Detection, ...] | tuple[Text, ...] | tuple[Class, ...] | Embedding]
"""What a recipe's map says of a picture, by the name of the line's field."""


@dataclass(frozen=True, slots=True)
class Line:
    """One item's line: `ok` with size, model and fields, or an error with its fault.

    note: what a reader should know, e.g. that the file has changed since it was handed in.
    frame: which picture of a video it is; None for a picture that is a file.
    same_as: the address of an earlier file of the same content, which has all that is to be said.
    inherited: the number of the earlier picture whose fields these are, as nothing had changed.
    fields: by recipe, e.g. `detections` → tuple of Detection, `embedding` → Embedding.
    """

    i: int
    item: str
    fault: Fault | None = None
    width: int = 0
    height: int = 0
    model: str = ""
    taken_at: str = ""
    time_source: str = ""
    note: str = ""
    frame: Frame | None = None
    fields: Fields = field(default_factory=dict)
    same_as: str = ""
    inherited: int | None = None

    @property
    def vector(self) -> bytes:
        """The picture's embedding; empty without one."""
        return next((v.vector for v in self.fields.values() if isinstance(v, Embedding)), b"")
