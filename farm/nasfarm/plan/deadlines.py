"""Work, deadlines and measured rates to the slots that nodes use, and when it will be done. Pure.

Slots are added as soon as they are needed, and taken back only where fewer would do with much to
spare: a worker that begins opens its models first, and going up and down would cost more than it
saves.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

RESERVE = 0.1
"""This part of the time that is left is not counted on: rates are averages, and pictures differ."""

ENDING_S, REDUCED_PER_S = 5.0, 5000
"""After the last chunk come the reduce step and its report: so many seconds, and items a second."""

CALM = 0.8
"""Fewer slots are used where they would be busy for no more than this part of the time."""

Slots = Mapping[str, int]
"""Node → how many of its slots are in use."""


@dataclass(frozen=True, slots=True)
class Lent:
    """What a node lends: its `usual` slots, and with its spare cores up to `most`."""

    usual: int
    most: int


@dataclass(frozen=True, slots=True)
class Work:
    """A job's `left` of `items` without a line, to be done `by_s` (None: as soon as possible).

    rates: images a second and slot on each node that can do it; empty where none was measured yet.
    rank: of its priority; 0 goes first.
    """

    items: int
    left: int
    rates: Mapping[str, float]
    by_s: float | None = None
    rank: int = 0


def slots_for(
    works: Sequence[Work], nodes: Mapping[str, Lent], before: Slots, now_s: float
) -> dict[str, int]:
    """How many slots each node is to use; one that is not named uses its usual ones.

    Without a deadline, or before it is known how fast the work goes, no node is named. As long as
    other work waits, none uses fewer than usual. before: what the last call said.
    """
    due = [work for work in works if work.by_s is not None]
    named = sorted({name for work in due for name in work.rates if name in nodes})
    if not named or not all(work.rates for work in due):
        return {}
    others = any(work.by_s is None and work.left for work in works)
    least = {name: nodes[name].usual if others else 1 for name in named}
    now = {
        name: min(max(least[name], before.get(name, nodes[name].usual)), nodes[name].most)
        for name in named
    }
    if busy(works, now, now_s) > 1:
        return _grown(now, works, nodes, 1.0, now_s)
    calm = _grown(least, works, nodes, CALM, now_s)
    ending = any(not work.left for work in due)  # a slot that is ended may be the one that reduces
    return now if ending or sum(calm.values()) >= sum(now.values()) else calm


def busy(works: Sequence[Work], slots: Slots, now_s: float) -> float:
    """The part of the time until their deadlines that the works keep these slots busy.

    1: just in time; inf: too late whatever is done. Chunks of jobs of one priority are taken in
    turns, so each that has no deadline takes as much as one that has.
    """
    total = 0.0
    waiting = [work for work in works if work.left]
    for work in waiting:
        if work.by_s is None:
            continue
        turns = 1 + sum(each.by_s is None and each.rank <= work.rank for each in waiting)
        time_s = (work.by_s - now_s) * (1 - RESERVE) - _ending_s(work)
        total += turns * _seconds(work, slots) / time_s if time_s > 0 else math.inf
    return total


def done_in(work: Work, others: Collection[Work], slots: Slots) -> float | None:
    """Seconds until it is done; None where nobody has measured, or none of these nodes can do it.

    Work of a higher priority goes first, other work of its own takes turns with it; where nobody
    knows how long that takes, it does not count.
    """
    own_s = _seconds(work, slots)
    if math.isinf(own_s):
        return None
    seconds = own_s + _ending_s(work)
    for each in others:
        its_s = _seconds(each, slots)
        if each.rank <= work.rank and math.isfinite(its_s):
            seconds += its_s if each.rank < work.rank else min(its_s, own_s)
    return seconds


def _grown(
    slots: Slots, works: Sequence[Work], nodes: Mapping[str, Lent], limit: float, now_s: float
) -> dict[str, int]:
    """Slots added one by one until the work keeps them busy for `limit` of the time, or all are
    in use: first the usual ones, of the node that uses the smallest part of its own.
    """
    grown = dict(slots)
    while busy(works, grown, now_s) > limit:
        free = [name for name, count in grown.items() if count < nodes[name].most]
        if not free:
            break
        grown[min(free, key=lambda name: _share(grown[name], nodes[name]))] += 1
    return grown


def _share(count: int, node: Lent) -> tuple[bool, float]:
    return count >= node.usual, count / node.usual


def _seconds(work: Work, slots: Slots) -> float:
    """So long these slots need for what is left, alone."""
    if not work.left:
        return 0.0
    per_s = sum(rate * slots.get(name, 0) for name, rate in work.rates.items())
    return work.left / per_s if per_s else math.inf


def _ending_s(work: Work) -> float:
    return ENDING_S + work.items / REDUCED_PER_S
