"""Probabilities of classes to the likeliest of them, for a whole picture or a crop. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nasfarm.core.findings import Finding, Seen
from nasfarm.core.recipes import ParamValue
from nasfarm_workers.heads.checks import output_at, shown
from nasfarm_workers.heads.head import F32


def read(
    outputs: Sequence[F32],
    seen: Sequence[Seen],
    options: Mapping[str, float],
    params: Mapping[str, ParamValue],
    labels: Sequence[str],
) -> list[tuple[Finding, ...]]:
    """The likeliest classes of each row, the likeliest first; their box is all that the row shows.

    outputs: among them [n, len(labels)], probabilities that sum to 1 (after the softmax).
    options: `classes`, which of the outputs that is (0).
    params: `top`, how many at most (5); `score`, the least that counts (0).
    Raises RejectError (`model`) where the outputs are others.
    """
    wanted = (len(seen), len(labels))
    scores = output_at(outputs, "classify", int(options.get("classes", 0)), wanted)
    most, least = int(params.get("top", 5)), float(params.get("score", 0.0))
    # Stable, so that equal ones come in the model's order.
    best = np.argsort(-scores, axis=1, kind="stable")[:, :most]
    return [
        tuple(
            shown(place, score=row[number].item(), class_id=int(number), label=labels[number])
            for number in numbers
            if row[number] >= least
        )
        for place, row, numbers in zip(seen, scores, best, strict=True)
    ]
