"""THE TELLING FLOW: published chunks and the owner's rules → webhooks and MQTT. Only calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime

from nasfarm.home import Home
from nasfarm.notices.lane import Lane, Sent
from nasfarm.notices.lanes import Group, Rules, arranged
from nasfarm.notices.outbox import HOLD_S

PATIENCE_S = 1.0
"""A pass waits so long for its lanes; one that hangs at its receiver goes on beside the next."""


def uncounted(_kind: str, _sent: Sent) -> None:
    """Nobody wants to know what was sent."""


class Notifier:
    """What one leader remembers between passes. A new leader makes its own: another one may have
    told of things meanwhile, and the ledgers know. Close it when the lead is lost.

    clock: seconds, only forward. hold_s: see notices/outbox.py. count: hears what each run of a
    lane did, with the kind of its receiver.
    """

    def __init__(
        self, home: Home, clock: Callable[[], float] = time.monotonic, hold_s: float = HOLD_S,
        count: Callable[[str, Sent], None] = uncounted,
    ) -> None:  # fmt: skip
        self._home = home
        self._clock = clock
        self._hold_s = hold_s
        self._count = count
        self._rules: Rules | None = None
        self._groups: list[Group] = []
        self._pool: ThreadPoolExecutor | None = None
        self._running: dict[Lane, Future[Sent]] = {}

    def notify(self, rules: Rules, now: datetime) -> Sent:
        """One pass: tell of what is new, everything that can be told now. Cheap where nothing is.

        rules: of all recipes, also none: then the ledgers of former rules go. now: local time.
        Raises StorageError where the home is away; the next pass goes on.
        """
        if rules != self._rules:
            self.close()
            today = now.date()
            self._groups = arranged(self._home, rules, today, self._clock, self._hold_s)
            self._rules = dict(rules)
            lanes = sum(len(group.lanes) for group in self._groups)
            self._pool = ThreadPoolExecutor(max(1, lanes), "notices")
        assert self._pool is not None
        for group in self._groups:
            days = group.look(now.date(), self._clock())
            for lane in group.lanes:
                if lane not in self._running:
                    self._running[lane] = self._pool.submit(lane.run, days, now.date())
        return self._ended(PATIENCE_S)

    def close(self) -> None:
        """Let every lane end the notice it is at, write the ledgers, and say goodbye."""
        lanes = [lane for group in self._groups for lane in group.lanes]
        for lane in lanes:
            lane.stop()
        self._ended(None)
        for lane in lanes:
            lane.save()
        for receiver in {lane.receiver for lane in lanes}:
            receiver.close()
        if self._pool is not None:
            self._pool.shutdown()
        self._groups, self._rules, self._pool = [], None, None

    def _ended(self, patience_s: float | None) -> Sent:
        """What the lanes did that have ended by now."""
        wait(self._running.values(), patience_s)
        ended = {lane: run for lane, run in self._running.items() if run.done()}
        for lane, run in ended.items():
            del self._running[lane]
            self._count(lane.kind, run.result())
        return sum((run.result() for run in ended.values()), Sent())
