"""Two classifiers' answers on the same pictures to how far they agree. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

SURE = 0.3
"""A probability from which on the first is taken to know what it sees. Below, a change of one
step in one pixel already gives another class in one of eight pictures."""


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """images: how many. top1: part of them with the same likeliest class. sure: how many have
    SURE or more by the first. sure_top1: part of those with the same likeliest class.
    """

    images: int
    top1: float
    sure: int
    sure_top1: float


def class_agreement(first: F32, second: F32) -> ClassAgreement:
    """first, second: (n, classes), probabilities."""
    same = first.argmax(axis=1) == second.argmax(axis=1)
    sure = first.max(axis=1) >= SURE
    return ClassAgreement(
        images=len(same),
        top1=_part(same),
        sure=int(sure.sum()),
        sure_top1=_part(same[sure]),
    )


def top1(probabilities: F32, labels: NDArray[np.intp]) -> float:
    """Part of the rows (n, classes) whose likeliest class is the label (n,)."""
    return _part(probabilities.argmax(axis=1) == labels)


def mean_cosine(first: F32, second: F32) -> float:
    """Mean cosine of the rows of two (n, d): 1.0 where they point the same way."""
    products = (first * second).sum(axis=1)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((products / np.maximum(lengths, 1e-12)).mean())


def probabilities(scores: F32) -> F32:
    """Rows that add up to 1 as they are; others, logits, by softmax."""
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1.0, atol=1e-3):
        return scores
    spread = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: F32 = (spread / spread.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _part(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else 1.0
