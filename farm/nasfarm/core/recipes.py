"""Recipes: an ordered list of stages and the parameters a user may set. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nasfarm.core.models import PinnedModel

NO_GATE, MOTION = "none", "motion"
"""What the parameter `gate` may be."""

WHOLE_IMAGE = "image"
"""The `of` of a stage that sees the whole image."""

ParamValue = float | int | str | bool

FOUND = "found"
"""The `reduce` of a recipe that does not say one: how often each label was found."""

HEADS = ("classify", "ctc", "db", "embed", "nanodet", "turned")
"""What may read a model's outputs: the heads that workers have."""

Point = tuple[float, float]
"""x and y of a place in the picture, 0..1 from its left and top."""
Shapes = Mapping[str, tuple[Point, ...]]
"""Name → the corners of a zone, three or more, or the two ends of a line."""


@dataclass(frozen=True, slots=True)
class Param:
    """A value the user may set with `--set name=value`. Numbers lie in least..most, a text with
    `choices` is one of them, labels are some of them: a text with commas between (`car,bus`).
    """

    name: str
    type: str  # number | integer | text | flag | labels
    default: ParamValue
    help: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """One model and what it looks at: `image`, or the findings of an earlier stage by its name.

    head: what reads the model's outputs; empty: the head that the model itself names.
    """

    name: str
    model: str
    of: str
    head: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe as written: `map` names the pure code that turns findings into the line's fields,
    `reduce` that which turns a job's lines into what its summary and report say.

    chunk_items: how many items one chunk holds at most.
    max_side: pictures are decoded no larger than this many pixels a side; 0: as large as they are.
    zones, lines: where in the picture things are looked for, and what they cross.
    """

    name: str
    help: str
    stages: tuple[Stage, ...]
    params: tuple[Param, ...]
    map: str
    chunk_items: int
    max_side: int
    reduce: str = FOUND
    zones: Shapes = field(default_factory=dict)
    lines: Shapes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResolvedStage:
    """A stage with its exact model."""

    name: str
    model: PinnedModel
    of: str
    head: str = ""


@dataclass(frozen=True, slots=True)
class ResolvedRecipe:
    """A recipe as a job runs it: every parameter has a value, every model is exact."""

    name: str
    map: str
    stages: tuple[ResolvedStage, ...]
    params: Mapping[str, ParamValue]
    chunk_items: int
    max_side: int
    reduce: str = FOUND
    zones: Shapes = field(default_factory=dict)
    lines: Shapes = field(default_factory=dict)

    def drawing(self, count: int) -> ResolvedRecipe:
        """The same, with so many pictures drawn at least."""
        most = max(count, int(self.params.get("pictures", 0)))
        return replace(self, params={**self.params, "pictures": most}) if count else self

    @property
    def gated(self) -> bool:
        """Whether frames that did not change inherit the result of the one before."""
        return self.params.get("gate", NO_GATE) != NO_GATE

    @property
    def labels(self) -> tuple[str, ...]:
        """What its parameter `labels` names; empty: things of every label."""
        names = str(self.params.get("labels", "")).split(",")
        return tuple(name.strip() for name in names if name.strip())

    @property
    def models(self) -> str:
        """`nanodet-g@1/int8`, or several joined by `+` in stage order."""
        return "+".join(str(stage.model) for stage in self.stages)
