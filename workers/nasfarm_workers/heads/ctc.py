"""Character probabilities along a strip to the text it says. Pure.

Source: greedy decoding of connectionist temporal classification, Graves et al. 2006, as PP-OCR's
recognizer is meant to be read, https://github.com/PaddlePaddle/PaddleOCR
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from nasfarm.core.findings import Finding, Seen
from nasfarm.core.recipes import ParamValue
from nasfarm_workers.heads.checks import crop_findings, sole
from nasfarm_workers.heads.head import F32

_BLANK = 0


def read(
    outputs: Sequence[F32],
    seen: Sequence[Seen],
    options: Mapping[str, float],
    params: Mapping[str, ParamValue],
    labels: Sequence[str],
) -> list[tuple[Finding, ...]]:
    """Each row's finding with its text, scored by the mean of its characters; or nothing.

    outputs: one, [n, steps, len(labels)], probabilities. labels: a character each, the first is
        CTC's blank. options: none. params: `score`, the least a text needs to be kept (0.5).
    A text of nothing but spaces is dropped, like one below the score.
    Raises RejectError (`model`) where the output is another, or a row is no crop.
    """
    probabilities = sole(outputs, "ctc", (len(seen), None, len(labels)))
    least = float(params.get("score", 0.5))
    found: list[tuple[Finding, ...]] = []
    for finding, steps in zip(crop_findings(seen, "ctc"), probabilities, strict=True):
        text, score = _greedy(steps, labels)
        kept = text.strip() and score >= least
        found.append((replace(finding, text=text, score=score),) if kept else ())
    return found


def _greedy(steps: F32, labels: Sequence[str]) -> tuple[str, float]:
    """The likeliest class of each step; repeats are one character, a blank parts equal ones."""
    best = steps.argmax(axis=1)
    starts = np.concatenate([[True], best[1:] != best[:-1]]) & (best != _BLANK)
    if not starts.any():
        return "", 0.0
    text = "".join(labels[number] for number in best[starts])
    return text, float(steps.max(axis=1)[starts].mean())
