"""A model's embedding to unit length, for a whole picture or a crop. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nasfarm.core.findings import Finding, Seen
from nasfarm.core.recipes import ParamValue
from nasfarm_workers.heads.checks import output_at, shown
from nasfarm_workers.heads.head import F32

_SHORTEST = 1e-12
"""Shorter vectors are left as they are: nothing can be said of their direction."""


def read(
    outputs: Sequence[F32],
    seen: Sequence[Seen],
    options: Mapping[str, float],
    params: Mapping[str, ParamValue],
    labels: Sequence[str],
) -> list[tuple[Finding, ...]]:
    """One finding a row with its embedding: all that the row shows, as one vector of length 1.

    The product of two such vectors, summed, is their cosine: 1 for the same picture, about 0 for
    pictures that have nothing in common. Half precision (float16) changes it by less than 0.001.
    outputs: among them [n, width]. options: `embedding`, which of the outputs that is (0).
    params: none.
    Raises RejectError (`model`) where the outputs are others.
    """
    wanted = (len(seen), None)
    vectors = output_at(outputs, "embed", int(options.get("embedding", 0)), wanted)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = (vectors / np.where(lengths > _SHORTEST, lengths, 1.0)).astype("<f2")
    return [
        (shown(place, score=1.0, vector=unit.tobytes()),)
        for place, unit in zip(seen, units, strict=True)
    ]
