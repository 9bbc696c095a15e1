"""Steps of work to the seconds each took; a second counts for one step, the innermost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Clock:
    """Adds up what each step took, at about 2 µs a step. now: seconds, from any time."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = {}
        self._now = now
        self._within = 0.0

    @contextmanager
    def on(self, step: str) -> Iterator[None]:
        """The block is this step, but for steps within it."""
        begun, before, self._within = self._now(), self._within, 0.0
        try:
            yield
        finally:
            took = self._now() - begun
            self.seconds[step] = self.seconds.get(step, 0.0) + took - self._within
            self._within = before + took

    def each(self, step: str, made: Iterable[T]) -> Iterator[T]:
        """What an iterable gives; the step is its giving, not what is done between."""
        giver = iter(made)
        while True:
            with self.on(step):
                try:
                    one = next(giver)
                except StopIteration:
                    return
            yield one
