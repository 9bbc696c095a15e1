"""The one shape all heads have. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nasfarm.core.findings import Finding, Seen
from nasfarm.core.recipes import ParamValue

F32 = NDArray[np.float32]


class Head(Protocol):
    """Outputs of one `session.run` to the findings of each row.

    outputs: as the model gives them, the first axis is the row.
    seen: one a row, in order. options: the model manifest's numbers. params: the recipe's values.
    labels: the model's labels.txt, a line a class.
    """

    def __call__(
        self,
        outputs: Sequence[F32],
        seen: Sequence[Seen],
        options: Mapping[str, float],
        params: Mapping[str, ParamValue],
        labels: Sequence[str],
    ) -> list[tuple[Finding, ...]]: ...
