"""Two variants of a model and example pictures to how far they agree, and their size and speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from nasfarm.core.findings import Finding
from nasfarm.core.models import InputSpec
from nasfarm.core.recipes import ParamValue
from nasfarm.errors import RejectError
from nasfarm_models.agreement.boxes import pooled_ap50
from nasfarm_models.agreement.classes import (
    F32,
    ClassAgreement,
    class_agreement,
    mean_cosine,
    probabilities,
)
from nasfarm_workers.heads.registry import head_named
from nasfarm_workers.runtime.batch import Batch
from nasfarm_workers.runtime.session import Session

SURE = 0.35
"""A score from which on a box of FP32 counts: the `detect` recipe's default."""
LEAST = 0.05
"""Boxes that are compared have at least this score: average precision looks at the whole list."""

_KINDS: dict[str, Literal["boxes", "classes"]] = {
    "nanodet": "boxes",
    "classify": "classes",
    "embed": "classes",
}


class Readable(Protocol):
    """What says how a model's outputs are read: a manifest, or a catalogue's model."""

    @property
    def name(self) -> str: ...
    @property
    def input(self) -> InputSpec: ...
    @property
    def head(self) -> str: ...
    @property
    def head_options(self) -> Mapping[str, float]: ...
    @property
    def batch(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a variant agrees with FP32 on the same pictures; what does not apply is None.

    images: how many pictures, each in several forms. boxes: of FP32 with a score of SURE or more.
    ap50: pooled average precision with those as truth. classes: where the likeliest class is the
    same. cosine: mean cosine of the embeddings.
    """

    images: int
    boxes: int | None = None
    ap50: float | None = None
    classes: ClassAgreement | None = None
    cosine: float | None = None

    def __str__(self) -> str:
        said = []
        if self.ap50 is not None:
            said.append(f"pooled AP50 {self.ap50:.3f} over {self.boxes} boxes")
        if self.classes is not None:
            said.append(f"same class {self.classes.top1:.3f} of {self.classes.images}")
            said.append(f"{self.classes.sure_top1:.3f} of the {self.classes.sure} FP32 is sure of")
        if self.cosine is not None:
            said.append(f"embedding cosine {self.cosine:.4f}")
        return ", ".join(said)


def kind_of(model: Readable) -> Literal["boxes", "classes"]:
    """What a model finds, as far as agreement goes. Raises RejectError for any other."""
    if model.head not in _KINDS:
        raise RejectError(
            f"{model.name}: agreement can be measured for detectors and classifiers (heads "
            f"{', '.join(_KINDS)}), not for '{model.head}'. Keep using it as it is.",
            code="model",
        )
    return _KINDS[model.head]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one variant said of the pictures, in order: boxes a picture, or (n, …) arrays."""

    boxes: tuple[tuple[Finding, ...], ...] = ()
    classes: F32 | None = None
    embeddings: F32 | None = None

    def every(self, step: int) -> Answers:
        """Those of each step-th picture: of the photos as they are, where each comes in forms."""
        classes = None if self.classes is None else self.classes[::step]
        embeddings = None if self.embeddings is None else self.embeddings[::step]
        return Answers(self.boxes[::step], classes, embeddings)


def answers(
    session: Session, model: Readable, labels: Sequence[str], examples: Iterable[Batch]
) -> Answers:
    """Everything that is compared. Raises RejectError."""
    if kind_of(model) == "boxes":
        rows = [row for each in examples for row in _rows(session, model, labels, each, LEAST)]
        return Answers(boxes=tuple(rows))
    outputs = [session.run(each.tensor) for each in examples]
    options = model.head_options
    classes = np.concatenate([each[int(options.get("classes", 0))] for each in outputs])
    if "embedding" not in options:
        return Answers(classes=probabilities(classes))
    embeddings = np.concatenate([each[int(options["embedding"])] for each in outputs])
    return Answers(classes=probabilities(classes), embeddings=embeddings)


def agreement(first: Answers, second: Answers) -> Agreement:
    """How far the second agrees with the first."""
    if first.classes is None or second.classes is None:
        wanted = [[one for one in row if one.score >= SURE] for row in first.boxes]
        return Agreement(
            images=len(wanted),
            boxes=sum(len(row) for row in wanted),
            ap50=pooled_ap50(wanted, second.boxes),
        )
    alike = None
    if first.embeddings is not None and second.embeddings is not None:
        alike = mean_cosine(first.embeddings, second.embeddings)
    return Agreement(
        images=len(first.classes),
        classes=class_agreement(first.classes, second.classes),
        cosine=alike,
    )


@dataclass(frozen=True, slots=True)
class Speed:
    """One thread, the batch as the workers use it. ratio: times as fast as FP32 in the same
    seconds; spread: the middle half of the rounds' ratios, as a part of `ratio`.
    """

    ms: float
    fp32_ms: float
    ratio: float
    spread: float


def speeds(sessions: Sequence[Session], tensor: F32, rounds: int) -> list[Speed]:
    """Each session's speed against the first, by turns, so that a busy machine slows all alike.

    tensor: one batch. rounds: how often all are run.
    """
    took: list[list[float]] = []
    for number in range(rounds + 1):
        seconds = []
        for session in sessions:
            start = time.perf_counter()
            session.run(tensor)
            seconds.append((time.perf_counter() - start) / len(tensor))
        if number:  # the first round warms up
            took.append(seconds)
    found = []
    for place in range(len(sessions)):
        ratios = [each[0] / each[place] for each in took]
        ratio = statistics.median(ratios)
        low, high = np.percentile(ratios, [25, 75])
        own = 1000 * statistics.median(each[place] for each in took)
        first = 1000 * statistics.median(each[0] for each in took)
        found.append(Speed(own, first, ratio, float(high - low) / ratio))
    return found


def find(
    session: Session, model: Readable, labels: Sequence[str], example: Batch, score: float
) -> list[Finding]:
    """What the model's head finds on the example, all rows in one list. Raises RejectError."""
    return [one for row in _rows(session, model, labels, example, score) for one in row]


def _rows(
    session: Session, model: Readable, labels: Sequence[str], example: Batch, score: float
) -> list[tuple[Finding, ...]]:
    params: dict[str, ParamValue] = {"score": score}
    outputs = session.run(example.tensor)
    return head_named(model.head)(outputs, example.seen, model.head_options, params, labels)
