"""What stages hand to each other: findings on a picture, and where a model saw them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from nasfarm.core.lines import Box, Polygon


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a stage found; later stages refine it. Pixels are those of the upright original.

    polygon: four corners where the thing may be slanted; empty where `box` says it all.
    turned: the crop is upside down and is turned by 180° before the next stage sees it.
    vector: the picture's or crop's embedding as float16, the low byte first; empty without one.
    """

    box: Box
    score: float
    class_id: int = -1
    label: str = ""
    polygon: Polygon = ()
    text: str = ""
    turned: bool = False
    vector: bytes = b""


Found = list[tuple[Finding, ...]]
"""What a stage found: of each view, or of each picture, in order."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One row of a batch: how its tensor lies over the original, and the finding it shows.

    An original pixel (x, y) lies at tensor column left + x × scale_x, row top + y × scale_y.
    width, height: the upright original's size in pixels (of the crop, where `finding` is set).
    finding: the crop's finding; None for a whole image.
    """

    width: int
    height: int
    scale_x: float
    scale_y: float
    left: float = 0.0
    top: float = 0.0
    finding: Finding | None = None
