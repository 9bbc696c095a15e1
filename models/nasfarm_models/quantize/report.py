"""What was measured of a variant: a value, its lines for people, its file beside the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasfarm.core.wire import decode, encode_pretty
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm_models.compare import Agreement, Speed
from nasfarm_models.quantize.frontier import RangeKind
from nasfarm_models.quantize.gates import OwnLabels, Verdict
from nasfarm_models.quantize.split import SURE_FROM

FILE = "report.json"


@dataclass(frozen=True, slots=True)
class Photos:
    """How many photos served what, and how many were left out because they cannot be read."""

    calibrate: int
    choose: int
    judge: int
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One length of the FP32 run: agreement on the photos to choose by, speed against FP32."""

    kept: int
    ranges: RangeKind
    agreement: Agreement
    speed: Speed


@dataclass(frozen=True, slots=True)
class Report:
    """One variant of one model, measured on one machine.

    cpu: its processor, and whether it has VNNI. bytes, fp32_bytes: sizes of the files.
    agreement: with FP32, on the photos to judge on. kept_fp32: the convolutions that stay FP32.
    ranges: how activations' ranges were found; empty where there are none.
    """

    model: str
    variant: str
    cpu: str
    vnni: bool
    photos: Photos
    bytes: int
    fp32_bytes: int
    speed: Speed
    agreement: Agreement
    own: OwnLabels | None
    verdict: Verdict
    kept_fp32: tuple[str, ...] = ()
    ranges: RangeKind | None = None
    frontier: tuple[Point, ...] = ()
    took_s: float = 0.0

    @property
    def few_photos(self) -> bool:
        """Whether the verdict stands on so few photos that a single one can turn it."""
        return self.photos.judge < SURE_FROM


def lines(report: Report) -> Iterator[tuple[str, str]]:
    """Title and value of each figure, the verdict first."""
    verdict = report.verdict
    yield "verdict", "active" if verdict.active else "not active: " + "; ".join(verdict.reasons)
    yield "size", f"{report.bytes / 1e6:.1f} MB, FP32 {report.fp32_bytes / 1e6:.1f} MB"
    speed = report.speed
    yield (
        "speed",
        f"{speed.ms:.1f} ms an image, FP32 {speed.fp32_ms:.1f}: {speed.ratio:.2f} times as fast "
        f"(one thread, rounds {100 * speed.spread:.0f} % apart)",
    )
    yield "agreement with FP32", str(report.agreement)
    if report.own is not None:
        yield "own labels", str(report.own)
    if report.ranges is not None:
        yield "stays FP32", f"the first {len(report.kept_fp32)} convolutions"
        yield "ranges", report.ranges
    photos = report.photos
    yield (
        "photos",
        f"{photos.calibrate} to calibrate, {photos.choose} to choose by, {photos.judge} to judge "
        f"on, {photos.unreadable} could not be read",
    )
    if report.few_photos:
        yield "", f"few photos: with {SURE_FROM * 5} or more the verdict is safer"
    yield "processor", f"{report.cpu}, {'with' if report.vnni else 'without'} VNNI"
    for point in report.frontier:
        said = f"{point.agreement}; {point.speed.ratio:.2f} times as fast"
        yield f"first {point.kept} FP32", f"{said} ({point.ranges} ranges)"


def write_report(folder: Path, report: Report, earlier: Path | None = None) -> None:
    """Write report.json of a version that is being made.

    earlier: the version it is made from, whose other variants' reports are kept.
    Raises RejectError, StorageError.
    """
    found: dict[str, Any] = {}
    if earlier is not None and (earlier / FILE).is_file():
        with storage_errors(earlier / FILE):
            content = (earlier / FILE).read_bytes()
        found = decode(dict[str, Any], content, str(earlier / FILE)).get("variants", {})
    write_file(
        folder / FILE, encode_pretty({"format": 1, "variants": found | {report.variant: report}})
    )
