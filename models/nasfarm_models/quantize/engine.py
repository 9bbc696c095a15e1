"""THE FLOW: an FP32 file and photos → a variant's file and a report that says what it is worth."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx

from nasfarm.errors import RejectError
from nasfarm.nodes.vnni import has_vnni
from nasfarm_models.compare import (
    Agreement,
    Answers,
    Readable,
    Speed,
    agreement,
    answers,
    kind_of,
    speeds,
)
from nasfarm_models.inputs import Examples
from nasfarm_models.quantize import others, truth
from nasfarm_models.quantize.emit import int8_model
from nasfarm_models.quantize.frontier import RangeKind, Tried, explore
from nasfarm_models.quantize.gates import OwnLabels, judged
from nasfarm_models.quantize.graph import Graph, graph_of
from nasfarm_models.quantize.observe import observe
from nasfarm_models.quantize.prepare import Prepared, prepare
from nasfarm_models.quantize.processor import cores, processor
from nasfarm_models.quantize.report import Photos, Point, Report
from nasfarm_models.quantize.split import Split
from nasfarm_workers.runtime.session import open_session

VariantName = Literal["int8", "int8-vnni", "dynamic", "fp16"]

_CALIBRATING_FORMS = 2
_FORMS = {"boxes": 4, "classes": 24}
"""Forms of each photo that is judged on: a class is one answer a picture, boxes are several."""
_MOST_IMAGES = 480
"""Forms of all photos together, at most: enough for figures that no single photo turns."""
_ROUNDS = 3
_JUDGING_ROUNDS = 9


@dataclass(frozen=True, slots=True)
class Form:
    """kept: convolutions from the start that stay FP32. ranges: how activations' are found."""

    kept: int
    ranges: RangeKind


@dataclass(frozen=True, slots=True)
class Order:
    """What to make and to measure by.

    form: where it is known what should stay FP32; the photos to choose by then stay unused, as
        they may be those that it was chosen by.
    title: the model as a user writes it. model, labels: how its outputs are read.
    labelled: the user's own labels. unreadable: how many photos were left out.
    """

    title: str
    variant: VariantName
    model: Readable
    labels: Sequence[str]
    photos: Split
    labelled: Path | None = None
    unreadable: int = 0
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class _Made:
    """What making an INT8 variant left to tell."""

    kept: tuple[str, ...] = ()
    ranges: RangeKind | None = None
    frontier: tuple[Point, ...] = ()


def make_variant(
    order: Order, fp32: Path, target: Path, say: Callable[[str], None] = lambda _: None
) -> Report:
    """Write the variant to `target` and measure it against `fp32`; whether it may be used is in
    the report. The same order gives the same file on the same kind of CPU.

    say: takes a line for the user. Raises RejectError, StorageError.
    """
    start = time.monotonic()
    kind_of(order.model)
    if order.variant == "int8-vnni" and not has_vnni():
        raise RejectError(
            f"{processor()} has no VNNI, so int8-vnni can be neither timed "
            "nor judged here. Run this on a node that has it, or make int8, which suits all.",
            code="model",
        )
    made = _Made()
    if order.variant == "dynamic":
        others.write_dynamic(fp32, target)
    elif order.variant == "fp16":
        others.write_fp16(fp32, target)
    else:
        made = _make_int8(order, fp32, target, say)
    say(f"{order.title}: judging it on {len(order.photos.judge)} other photos")
    return _judge(order, fp32, target, made, start)


def _make_int8(order: Order, fp32: Path, target: Path, say: Callable[[str], None]) -> _Made:
    photos = order.photos
    graph = graph_of(onnx.load(fp32))
    say(f"{order.title}: looking at {len(photos.calibrate)} photos")
    shown = Examples.read(photos.calibrate, order.model.input, forms=_CALIBRATING_FORMS)
    seen = observe(graph, (each.tensor for each in shown))
    say(f"{order.title}: rounding the weights of {len(graph.convolutions)} layers")
    prepared = prepare(graph, seen, wide_sums=order.variant == "int8-vnni")
    if (form := order.form) is not None:
        ranges = prepared.ranges[form.ranges]
        onnx.save(int8_model(graph, form.kept, ranges, prepared.weights), target)
        return _Made(tuple(each.node for each in graph.convolutions[: form.kept]), form.ranges)
    say(f"{order.title}: choosing how much stays FP32, on {len(photos.choose)} photos")
    with tempfile.TemporaryDirectory(prefix=".tries-", dir=target.parent) as folder:
        tries = _Tries(order, graph, prepared, fp32, Path(folder))
        tried, best = explore(len(graph.convolutions), tries.measure)
        frontier = tries.timed(tried)
        tries.path(best.kept, best.ranges).replace(target)
    kept = tuple(each.node for each in graph.convolutions[: best.kept])
    return _Made(kept, best.ranges, frontier)


class _Tries:
    """INT8 forms of one model that are measured before one is taken, each a file in `folder`."""

    def __init__(
        self, order: Order, graph: Graph, prepared: Prepared, fp32: Path, folder: Path
    ) -> None:
        self._order = order
        self._graph = graph
        self._prepared = prepared
        self._folder = folder
        self._examples = _examples(order, order.photos.choose)
        self._fp32 = fp32
        self._wanted: Answers | None = None

    def path(self, kept: int, ranges: RangeKind) -> Path:
        return self._folder / f"{kept}-{ranges}.onnx"

    def measure(self, kept: int, ranges: RangeKind) -> Agreement:
        path, prepared = self.path(kept, ranges), self._prepared
        onnx.save(int8_model(self._graph, kept, prepared.ranges[ranges], prepared.weights), path)
        if self._wanted is None:
            self._wanted = self._ask(self._fp32)
        return agreement(self._wanted, self._ask(path))

    def timed(self, tried: Sequence[Tried]) -> tuple[Point, ...]:
        paths = [self._fp32, *(self.path(each.kept, each.ranges) for each in tried)]
        found = _speeds(paths, self._examples, _ROUNDS)[1:]
        return tuple(
            Point(each.kept, each.ranges, each.agreement, speed)
            for each, speed in zip(tried, found, strict=True)
        )

    def _ask(self, path: Path) -> Answers:
        return _ask(self._order, path, self._examples)


def _judge(order: Order, fp32: Path, target: Path, made: _Made, start: float) -> Report:
    """Measure on the photos that took no part in the making."""
    examples = _examples(order, order.photos.judge)
    first, second = (_ask(order, path, examples) for path in (fp32, target))
    speed = _speeds([fp32, target], examples, _JUDGING_ROUNDS)[1]
    agreed = agreement(first, second)
    own = _own(order, first, second, examples.forms)
    photos = order.photos
    return Report(
        model=order.title,
        variant=order.variant,
        cpu=processor(),
        vnni=has_vnni(),
        photos=Photos(
            calibrate=len(photos.calibrate),
            choose=0 if order.form else len(photos.choose),
            judge=len(order.photos.judge),
            unreadable=order.unreadable,
        ),
        bytes=target.stat().st_size,
        fp32_bytes=fp32.stat().st_size,
        speed=speed,
        agreement=agreed,
        own=own,
        verdict=judged(agreed, speed, own),
        kept_fp32=made.kept,
        ranges=made.ranges,
        frontier=made.frontier,
        took_s=round(time.monotonic() - start, 1),
    )


def _own(order: Order, fp32: Answers, variant: Answers, forms: int) -> OwnLabels | None:
    """Both variants against the user's labels, on the photos as they are."""
    if order.labelled is None:
        return None
    photos = order.photos.judge
    first, second = fp32.every(forms), variant.every(forms)
    if kind_of(order.model) == "boxes":
        boxes = truth.own_boxes(order.labelled, order.labels)
        found = truth.against_boxes(boxes, photos, first, second)
    else:
        classes = truth.own_classes(order.labelled, order.labels)
        found = truth.against_classes(classes, photos, first, second)
    if found is None:
        raise RejectError(
            f"{order.labelled}: none of the {len(photos)} photos to judge on is named there. File "
            "names have to be those of the photos.",
            code="labels",
        )
    return found


def _ask(order: Order, path: Path, examples: Examples) -> Answers:
    """On all cores: how many there are changes no answer."""
    return answers(open_session(path, threads=cores()), order.model, order.labels, examples)


def _speeds(paths: Sequence[Path], examples: Examples, rounds: int) -> list[Speed]:
    """On one core and with one batch, as the workers do it."""
    batch = next(iter(examples)).tensor
    return speeds([open_session(path, threads=1) for path in paths], batch, rounds)


def _examples(order: Order, photos: Sequence[Path]) -> Examples:
    forms = max(1, min(_FORMS[kind_of(order.model)], _MOST_IMAGES // len(photos)))
    return Examples.read(photos, order.model.input, order.model.batch, forms)
