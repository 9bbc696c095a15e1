"""Sets of numbers as runs from start to end (not included), ascending and apart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Ranges = tuple[tuple[int, int], ...]
"""A day of 80,000 chunks is mostly one run: a few bytes in a file, and quick to compare."""


def ranges_of(numbers: Iterable[int]) -> Ranges:
    """Numbers in any order, as runs.

    >>> ranges_of([7, 1, 0, 2])
    ((0, 3), (7, 8))
    """
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return tuple(runs)


def numbers_in(ranges: Ranges) -> Iterator[int]:
    """Each number, ascending."""
    return (number for start, end in ranges for number in range(start, end))


def count_of(ranges: Ranges) -> int:
    """How many numbers there are."""
    return sum(end - start for start, end in ranges)


def end_of(ranges: Ranges) -> int:
    """The number after the last; 0 where there is none."""
    return ranges[-1][1] if ranges else 0


def plus(ranges: Ranges, number: int) -> Ranges:
    """With one number more.

    >>> plus(((0, 3), (4, 5)), 3)
    ((0, 5),)
    """
    start, end = number, number + 1
    apart = []
    for run in ranges:
        if run[1] < start or run[0] > end:
            apart.append(run)
        else:
            start, end = min(start, run[0]), max(end, run[1])
    return tuple(sorted([*apart, (start, end)]))


def minus(ranges: Ranges, taken: Ranges) -> Ranges:
    """What is in the first and not in the second.

    >>> minus(((0, 10),), ((2, 4), (9, 12)))
    ((0, 2), (4, 9))
    """
    left: list[tuple[int, int]] = []
    for start, end in ranges:
        for away_start, away_end in taken:
            if away_end <= start or away_start >= end:
                continue
            if start < away_start:
                left.append((start, away_start))
            start = away_end
        if start < end:
            left.append((start, end))
    return tuple(left)
