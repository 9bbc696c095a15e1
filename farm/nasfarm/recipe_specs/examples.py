"""A field of a recipe file to a whole file in which it stands right: what a refusal shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nasfarm.errors import RejectError

NAME = "street"
"""What the file of an example is called, without its ending."""

HEADING = f"An example that works, as {NAME}.yml:"

_WHOLE = """\
help: Things in pictures of the street.
stages:
  - {name: detect, model: nanodet-g, of: image}
map: detect
"""
_LIKE = """\
help: Things in pictures of the street.
like: detect
set: {score: 0.5}
"""
_ADDED = {
    "params": """\
params:
  - {name: score, type: number, default: 0.5, least: 0.05, most: 1, help: How sure to be.}
""",
    "reduce": "reduce: found\n",
    "chunk_items": "chunk_items: 16\n",
    "max_side": "max_side: 416\n",
    "zones": "zones:\n  door: [[0.1, 0.2], [0.3, 0.2], [0.3, 0.9], [0.1, 0.9]]\n",
    "lines": "lines:\n  kerb: [[0.0, 0.7], [1.0, 0.7]]\n",
}
_NAMING = {
    "head": """\
help: Numbers by which pictures of the street can be compared.
stages:
  - {name: embed, model: efficientnet-lite0, of: image, head: embed}
map: embed
""",
    "labels": """\
help: Cars and trucks in the street.
like: vehicle-detect
set: {labels: "car, truck"}
""",
    "alert_zone": f"""\
help: Whoever stands at the door.
like: person-detect
set: {{alert_zone: door}}
{_ADDED["zones"]}""",
}


def example(field: str, *, like: bool = False) -> str:
    """A recipe file that has this field, and says what others do as shortly as it can.

    like: of the kind that says what is other than in a built-in recipe.
    """
    if field in _NAMING:
        return _NAMING[field]
    whole = _LIKE if like or field in ("like", "set") else _WHOLE
    return whole + _ADDED.get(field, "")


@contextmanager
def showing(field: str, *, like: bool = False) -> Iterator[None]:
    """Add to a refusal how the field is written right."""
    try:
        yield
    except RejectError as error:
        lines = [f"  {line}" for line in example(field, like=like).splitlines()]
        raise RejectError("\n".join([str(error), HEADING, *lines]), code=error.code) from error
