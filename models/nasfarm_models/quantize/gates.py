"""Agreement, speed and own labels to a verdict: may a variant be used by itself? Pure."""

from __future__ import annotations

from dataclasses import dataclass

from nasfarm_models.compare import Agreement, Speed

AP50_AT_LEAST = 0.985
TOP1_AT_LEAST = 0.96
SURE_TOP1_AT_LEAST = 0.99
"""Of what FP32 is sure of. FP32 itself gives another class after one step more in each pixel for
.03 of those, .12 of all, and an AP50 of .995: more cannot be asked of a variant."""
FASTER_THAN = 1.0


@dataclass(frozen=True, slots=True)
class OwnLabels:
    """What the user's own labels say. measure: `AP50` or `top-1`. fp32, variant: 0..1."""

    measure: str
    images: int
    fp32: float
    variant: float

    def __str__(self) -> str:
        return (
            f"{self.measure} {self.variant:.3f}, FP32 {self.fp32:.3f} ({self.images} labelled "
            "photos)"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """active: whether the variant may be what a recipe takes by itself. reasons: why not."""

    active: bool
    reasons: tuple[str, ...]


def judged(agreement: Agreement, speed: Speed, own: OwnLabels | None) -> Verdict:
    """own: where given, it decides instead of the agreement with FP32: labels are the truth.

    A figure below its gate is a miss, however few photos it stands on.
    """
    reasons = list(misses(agreement) if own is None else own_misses(agreement, own))
    if speed.ratio <= FASTER_THAN:
        reasons.append(f"it is not faster than FP32 here: {speed.ratio:.2f} times its speed")
    return Verdict(not reasons, tuple(reasons))


def misses(agreement: Agreement, margin: float = 0.0) -> tuple[str, ...]:
    """The gates that are missed, each as got and wanted.

    margin: part of the way from each gate to 1.0 that is asked for on top.
    """
    wanted = []
    if agreement.ap50 is not None:
        wanted.append(("pooled AP50", agreement.ap50, AP50_AT_LEAST))
    if agreement.classes is not None:
        found = agreement.classes
        wanted.append(("same class", found.top1, TOP1_AT_LEAST))
        wanted.append(("same class where FP32 is sure", found.sure_top1, SURE_TOP1_AT_LEAST))
    return tuple(
        f"{name} {got:.3f}, wanted {least:.3f}"
        for name, got, least in wanted
        if got < least + margin * (1 - least)
    )


def own_misses(agreement: Agreement, own: OwnLabels) -> tuple[str, ...]:
    """The same part of FP32's figure is asked for as of its agreement."""
    part = TOP1_AT_LEAST if agreement.ap50 is None else AP50_AT_LEAST
    if own.variant >= part * own.fp32:
        return ()
    return (f"{own}; wanted {part:.3f} of FP32's",)


def quality(agreement: Agreement) -> float:
    """One figure to compare forms of the same model by."""
    if agreement.ap50 is not None:
        return agreement.ap50
    if agreement.classes is None:
        return 0.0
    return (agreement.classes.top1 + agreement.classes.sure_top1) / 2
