"""A result line to a few words that a person reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from nasfarm.core.items import item_name

MOST = 72
"""Letters that words about one picture take at most: a line on a terminal, beside its name."""


def name(line: Mapping[str, Any]) -> str:
    """What a line is about: an item's address, and the number of its frame where it is one."""
    return item_name(line["item"], line.get("frame", {}).get("number"))


def words(line: Mapping[str, Any]) -> str:
    """`2 × person (0.91), 1 × dog (0.55)`: how many and the best score; or the text; or a fault.

    Of classes: `tabby (0.61), tiger cat (0.20)`, the likeliest first.
    """
    if "error" in line:
        return f"failed: {line['error']['code']}"
    said = _said(line)
    return (said if len(said) <= MOST else said[: MOST - 1] + "…") or "nothing"


def _said(line: Mapping[str, Any]) -> str:
    if line.get("texts"):
        return _texts(line["texts"])
    if line.get("classes"):
        return ", ".join(f"{kind['label']} ({kind['score']:.2f})" for kind in line["classes"])
    return "embedding" if "embedding" in line else _things(line.get("detections", ()))


def _texts(texts: Any) -> str:
    return " / ".join(text["text"] for text in texts)


def _things(things: Any) -> str:
    counts = Counter(thing["label"] for thing in things)
    best: dict[str, float] = {}
    for thing in things:
        best[thing["label"]] = max(thing["score"], best.get(thing["label"], 0.0))
    return ", ".join(f"{n} × {label} ({best[label]:.2f})" for label, n in counts.items())
