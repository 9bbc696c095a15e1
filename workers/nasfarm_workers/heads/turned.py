"""Scores of "upright" and "upside down" to the same findings, marked where they are turned. Pure.

Source: PP-OCR's direction classifier, https://github.com/PaddlePaddle/PaddleOCR
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nasfarm.core.findings import Finding, Seen
from nasfarm.core.recipes import ParamValue
from nasfarm_workers.heads.checks import crop_findings, sole
from nasfarm_workers.heads.head import F32

_UPSIDE_DOWN = "180"


def read(
    outputs: Sequence[F32],
    seen: Sequence[Seen],
    options: Mapping[str, float],
    params: Mapping[str, ParamValue],
    labels: Sequence[str],
) -> list[tuple[Finding, ...]]:
    """Each row's finding; `turned` where the class "180" is the likelier and surer than threshold.

    outputs: one, [n, len(labels)], probabilities. labels: degrees, "0" and "180".
    options: `threshold` (0.9). params: none.
    Raises RejectError (`model`) where the output is another, or a row is no crop.
    """
    scores = sole(outputs, "turned", (len(seen), len(labels)))
    threshold = options.get("threshold", 0.9)
    return [
        (replace(finding, turned=_is_turned(row, labels, threshold)),)
        for finding, row in zip(crop_findings(seen, "turned"), scores, strict=True)
    ]


def _is_turned(row: F32, labels: Sequence[str], threshold: float) -> bool:
    likeliest = int(row.argmax())
    return labels[likeliest] == _UPSIDE_DOWN and float(row[likeliest]) > threshold
