"""What a model gave to the same, once it is what the head expects. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nasfarm.core.findings import Finding, Seen
from nasfarm.errors import RejectError
from nasfarm_workers.heads.head import F32


def sole(outputs: Sequence[F32], head: str, wanted: Sequence[int | None]) -> F32:
    """The one output of a model, of shape `wanted`; None stands for any length.

    Raises RejectError (`model`) where there are several, or the shape is another.
    """
    shapes = [output.shape for output in outputs]
    fits = len(shapes) == 1 and len(shapes[0]) == len(wanted)
    if fits and all(want in (None, got) for want, got in zip(wanted, shapes[0], strict=True)):
        return outputs[0]
    lengths = ", ".join("any" if length is None else str(length) for length in wanted)
    raise wrong(head, f"one output ({lengths})", shapes)


def output_at(outputs: Sequence[F32], head: str, place: int, wanted: Sequence[int | None]) -> F32:
    """The output at that place, of shape `wanted`; None stands for any length.

    Raises RejectError (`model`) where there is none of that shape.
    """
    if not 0 <= place < len(outputs):
        raise wrong(head, f"at least {place + 1} outputs", [each.shape for each in outputs])
    return sole(outputs[place : place + 1], head, wanted)


def shown(
    seen: Seen, *, score: float, class_id: int = -1, label: str = "", vector: bytes = b""
) -> Finding:
    """What is said of all that a row shows: of the whole picture, or of a crop's finding."""
    whole = Finding((0.0, 0.0, float(seen.width), float(seen.height)), score)
    found = seen.finding or whole
    return replace(found, score=score, class_id=class_id, label=label, vector=vector)


def crop_findings(seen: Sequence[Seen], head: str) -> list[Finding]:
    """The finding each row shows. Raises RejectError (`model`) where a row is a whole picture."""
    found = [place.finding for place in seen if place.finding is not None]
    if len(found) < len(seen):
        raise RejectError(
            f"head {head}: expected crops, got whole pictures; "
            "let the recipe's stage look at an earlier stage (`of: <its name>`).",
            code="model",
        )
    return found


def wrong(head: str, wanted: str, got: object) -> RejectError:
    """The error for a model whose outputs are not those of its head."""
    return RejectError(
        f"head {head}: expected {wanted}, got {got}; "
        "check `head` and labels.txt in the model's folder.",
        code="model",
    )
