"""Numbers and values of tables to words. Pure."""

from __future__ import annotations

from nasfarm.core.reduced import Cell, Fact
from nasfarm_workers.report.clocks import length, moment, wall_s
from nasfarm_workers.report.html import Words, same
from nasfarm_workers.report.words import UNITS


def count(number: int, one: str, several: str, chinese: str) -> Words:
    """`1 picture`, `12,840 pictures`."""
    return (f"{number:,} {one if number == 1 else several}", f"{number:,} {chinese}")


def pictures(number: int) -> Words:
    """`12,840 pictures`."""
    return count(number, "picture", "pictures", "张图片")


def figure(value: float) -> str:
    """`12,840`, `81.5`, `0.35`: three digits that say something, and all of a whole number."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def valued(fact: Fact) -> Words:
    """A fact's value with its unit."""
    if isinstance(fact.value, str):
        return _text(fact.value)
    if fact.unit == "s":
        return length(fact.value)
    english, chinese = UNITS.get(fact.unit, same(f" {fact.unit}" if fact.unit else ""))
    number = figure(fact.value)
    if fact.unit == "pictures" and number == "1":
        english = " picture"
    return (number + english, number + chinese)


def cell(value: Cell) -> str:
    """A value as a table shows it; times without the T and the zone."""
    if value is None:
        return ""
    if isinstance(value, str):
        is_time = len(value) >= 19 and value[10:11] == "T" and wall_s(value) is not None
        return f"{value[:10]} {value[11:19]}" if is_time else value
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}"


def _text(value: str) -> Words:
    at_s = wall_s(value) if len(value) >= 16 else None
    return same(value) if at_s is None else moment(at_s)
