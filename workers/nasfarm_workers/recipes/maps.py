"""The last stage's findings on one picture to the fields of its line. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from nasfarm.core.findings import Finding
from nasfarm.core.lines import (
    FAINT,
    Box,
    Class,
    Detection,
    Embedding,
    Fields,
    Placed,
    Polygon,
    Text,
)
from nasfarm.core.places import foot, zones_at
from nasfarm.core.recipes import ResolvedRecipe, Shapes
from nasfarm.errors import FarmError, ImageError, RejectError, UnknownNameError
from nasfarm.recipe_specs.installed import LACKING, code_named, code_names

Size = tuple[int, int]
"""Width and height of the upright original in pixels."""

Map = Callable[[Sequence[Finding], Size, ResolvedRecipe], Fields]

_SAME = 0.6
"""Boxes that overlap more (intersection over union) are of one thing: a van is a car and a truck
to models. What NanoDet itself has within a class.
"""
_SCORE_DIGITS = 3
_PIXEL_DIGITS = 1


def detect(findings: Sequence[Finding], size: Size, recipe: ResolvedRecipe) -> Fields:
    """`detections`, highest score first, then by box, so that equal ones have one order.

    Where the recipe names labels, only those, and each thing under one of them, the surest. What
    stands in zones of the recipe names them.
    """
    return {"detections": _detections(findings, size, recipe)}


def follow(findings: Sequence[Finding], size: Size, recipe: ResolvedRecipe) -> Fields:
    """`detections` as of `detect`, those of the parameter `score` and above; the others, if there
    are any, are `faint`: they do not count, but tell where somebody is who was seen before.
    """
    found, least = _detections(findings, size, recipe), float(recipe.params.get("score", 0))
    sure = tuple(one for one in found if one.score >= least)
    fields: dict[str, tuple[Detection, ...]] = {"detections": sure}
    return fields | ({FAINT: found[len(sure) :]} if len(sure) < len(found) else {})


def ocr(findings: Sequence[Finding], _size: Size, _recipe: ResolvedRecipe) -> Fields:
    """`texts`, in the order given, which is reading order. Four corners each."""
    return {
        "texts": tuple(
            Text(f.text, round(f.score, _SCORE_DIGITS), _rounded_polygon(_outline(f)))
            for f in findings
        )
    }


def classify(findings: Sequence[Finding], _size: Size, _recipe: ResolvedRecipe) -> Fields:
    """`classes`, in the order given, the likeliest first."""
    return {"classes": tuple(Class(f.label, round(f.score, _SCORE_DIGITS)) for f in findings)}


def embed(findings: Sequence[Finding], _size: Size, _recipe: ResolvedRecipe) -> Fields:
    """`embedding`. Raises RejectError where a picture does not have exactly one."""
    vectors = [finding.vector for finding in findings if finding.vector]
    if len(vectors) != 1:
        raise RejectError(
            f"map embed: expected one embedding for each picture, got {len(vectors)}; let the "
            "recipe's last stage look at the image (`of: image`) with `head: embed`.",
            code="recipe",
        )
    return {"embedding": Embedding(vectors[0])}


def map_named(name: str) -> Map:
    """The map of that name, ours or an installed package's.

    Raises UnknownNameError with the nearest name there is, RejectError where it cannot be imported.
    """
    return _MAPS[name] if name in _MAPS else _brought(name)


@cache
def _brought(name: str) -> Map:
    code = code_named("map", name)
    if code is None:
        known = [*_MAPS, *code_names("map")]
        raise UnknownNameError.of("map", name, known, LACKING)

    def careful(findings: Sequence[Finding], size: Size, recipe: ResolvedRecipe) -> Fields:
        try:
            fields: Fields = code(findings, size, recipe)
        except (FarmError, MemoryError):
            raise
        except Exception as error:  # a package's code may raise anything: the others go on
            raise ImageError(f"map '{name}': {type(error).__name__}: {error}") from error
        return fields

    return careful


def found_in(record: Mapping[str, Any]) -> list[str]:
    """What a result line (as JSON has it) found: the label or text of each, in its order.

    Of classes only the likeliest: the others are what the picture might show instead.
    """
    labels = [found["label"] for found in record.get("detections", ())]
    labels += [found["label"] for found in record.get("classes", ())[:1]]
    return labels + [found["text"] for found in record.get("texts", ())]


def _detections(
    findings: Sequence[Finding], size: Size, recipe: ResolvedRecipe
) -> tuple[Detection, ...]:
    wanted = recipe.labels
    found = [_detected(f, size, recipe.zones) for f in findings if not wanted or f.label in wanted]
    found.sort(key=lambda d: (-d.score, d.box, d.class_id))
    return tuple(_one_label_each(found) if wanted else found)


def _detected(finding: Finding, size: Size, zones: Shapes) -> Detection:
    box, score = _rounded_box(finding.box), round(finding.score, _SCORE_DIGITS)
    there = zones_at(foot(box, *size), zones) if zones else ()
    if there:
        return Placed(finding.label, finding.class_id, score, box, there)
    return Detection(finding.label, finding.class_id, score, box)


def _one_label_each(found: Iterable[Detection]) -> list[Detection]:
    """Those that no better one lies on; the best come first."""
    kept: list[Detection] = []
    for each in found:
        if all(_overlap(each.box, better.box) <= _SAME for better in kept):
            kept.append(each)
    return kept


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, across) * max(0.0, down)
    union = _area(one) + _area(other) - shared
    return shared / union if union > 0 else 0.0


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _rounded_box(box: Box) -> Box:
    x1, y1, x2, y2 = (round(side, _PIXEL_DIGITS) for side in box)
    return (x1, y1, x2, y2)


def _rounded_polygon(polygon: Polygon) -> Polygon:
    return tuple((round(x, _PIXEL_DIGITS), round(y, _PIXEL_DIGITS)) for x, y in polygon)


def _outline(finding: Finding) -> Polygon:
    x1, y1, x2, y2 = finding.box
    return finding.polygon or ((x1, y1), (x2, y1), (x2, y2), (x1, y2))


_MAPS: dict[str, Map] = {
    "classify": classify,
    "detect": detect,
    "embed": embed,
    "follow": follow,
    "ocr": ocr,
}
