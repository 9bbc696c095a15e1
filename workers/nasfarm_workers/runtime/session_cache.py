"""Exact models to open sessions, kept open between chunks, the longest unused closed first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nasfarm.core.models import ModelManifest, PinnedModel

KEPT = 6
"""Models open at once: the OCR recipe needs three, and a slot may alternate between two recipes."""


class Session(Protocol):
    """What a model is run with: one tensor in, output tensors out."""

    def run(self, tensor: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]: ...


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A model ready to run: what its manifest says, its labels, and the session.

    batch: rows a run should eat on this machine.
    """

    manifest: ModelManifest
    labels: tuple[str, ...]
    session: Session
    batch: int


class SessionCache:
    """Opens a model once. `load` does the opening and may raise RejectError or StorageError."""

    def __init__(self, load: Callable[[PinnedModel], OpenModel]) -> None:
        self._load = load
        self._open: OrderedDict[PinnedModel, OpenModel] = OrderedDict()

    def get(self, model: PinnedModel) -> OpenModel:
        """The open model, opened now if it is not."""
        found = self._open.get(model)
        if found is None:
            found = self._open[model] = self._load(model)
        self._open.move_to_end(model)
        while len(self._open) > KEPT:
            self._open.popitem(last=False)
        return found
