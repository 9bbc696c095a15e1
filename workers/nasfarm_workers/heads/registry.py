"""A head's name, as a model's manifest has it, to the head. Pure."""

from __future__ import annotations

from nasfarm.errors import UnknownNameError
from nasfarm_workers.heads import classify, ctc, db, embed, nanodet, turned
from nasfarm_workers.heads.head import Head

_HEADS: dict[str, Head] = {
    "classify": classify.read,
    "ctc": ctc.read,
    "db": db.read,
    "embed": embed.read,
    "nanodet": nanodet.read,
    "turned": turned.read,
}


def head_named(name: str) -> Head:
    """Raises UnknownNameError with the nearest name there is."""
    if name not in _HEADS:
        raise UnknownNameError.of("head", name, _HEADS)
    return _HEADS[name]
