"""Items, their pictures and findings to result lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from nasfarm.core.findings import Finding
from nasfarm.core.items import Item
from nasfarm.core.lines import Fault, Line
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.errors import ImageError
from nasfarm_workers.pixels import Picture, Unchanged
from nasfarm_workers.recipes.maps import map_named
from nasfarm_workers.recipes.taken import taken

CHANGED = "the file has changed since it was handed in; this is what it holds now"
"""ADR 8: an overwritten file is run as it is, and says so."""


def lines_of(
    items: Sequence[Item],
    seen: Sequence[Picture | Unchanged | Fault],
    found: Iterable[tuple[Finding, ...]],
    recipe: ResolvedRecipe,
) -> list[Line]:
    """One line an item, in order. `found`: the last stage's findings of each picture that was run,
    which are those of the unchanged ones after it, too.
    """
    ran = [item.i for item, one in zip(items, seen, strict=True) if isinstance(one, Picture)]
    findings = dict(zip(ran, found, strict=True))
    return [_line(item, one, findings, recipe) for item, one in zip(items, seen, strict=True)]


def failed(item: Item, fault: Fault) -> Line:
    """The error line of an item."""
    return Line(item.i, item.item, frame=item.frame, fault=fault)


def _line(
    item: Item, one: Picture | Unchanged | Fault, findings: Mapping[int, tuple[Finding, ...]],
    recipe: ResolvedRecipe,
) -> Line:  # fmt: skip
    """findings: by the number of the item that was run."""
    if isinstance(one, Fault):
        return failed(item, one)
    if isinstance(one, Picture):
        return _good(item, one, findings[item.i], recipe)
    return replace(_good(item, one.picture, findings[one.i], recipe), inherited=one.i)


def _good(
    item: Item, picture: Picture, findings: tuple[Finding, ...], recipe: ResolvedRecipe
) -> Line:
    taken_at, time_source = taken(item, picture)
    try:
        fields = map_named(recipe.map)(findings, (picture.width, picture.height), recipe)
    except ImageError as error:
        return failed(item, Fault(error.code, str(error)))
    return Line(
        i=item.i,
        item=item.item,
        width=picture.width,
        height=picture.height,
        model=recipe.models,
        taken_at=taken_at,
        time_source=time_source,
        note=CHANGED if picture.changed else "",
        frame=item.frame,
        fields=fields,
    )
