"""What `farm doctor` says of one thing: how good it is, what was found, what mends it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


EXIT = {Level.OK: 0, Level.WARNING: 1, Level.BROKEN: 2}


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, where, what was found there, and what mends it (empty: nothing to do)."""

    level: Level
    what: str
    where: str
    found: str
    mend: str = ""


def ok(what: str, where: object, found: str) -> Check:
    return Check(Level.OK, what, str(where), found)


def warning(what: str, where: object, found: str, mend: str) -> Check:
    return Check(Level.WARNING, what, str(where), found, mend)


def broken(what: str, where: object, found: str, mend: str) -> Check:
    return Check(Level.BROKEN, what, str(where), found, mend)


def worst(checks: Iterable[Check]) -> int:
    """The exit status: 0 healthy, 1 warnings, 2 broken."""
    return max((EXIT[check.level] for check in checks), default=0)
