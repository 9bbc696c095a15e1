"""Queue names to the order in which a worker looks into them: by priority, roots in turn."""

from __future__ import annotations

from kombu.utils.scheduling import round_robin_cycle

from nasfarm.core.jobs import Priority

_RANK = {priority.value: rank for rank, priority in enumerate(Priority)}


class UrgentFirst(round_robin_cycle):
    """Strict between priorities, round robin between roots of one priority.

    kombu's own `priority` keeps the order in which queues were added, so the urgent queue of a
    root added later would come after every other root's; its `sorted` puts low before normal.
    """

    def consume(self, n: int) -> list[str]:
        """The first `n` queue names, the most urgent first."""
        return sorted(self.items[:n], key=_rank)


def _rank(queue: str) -> int:
    """Of `farm.v1.<priority>.<root>`; the worker's own control queues come last."""
    parts = queue.split(".")
    return _RANK.get(parts[2], len(_RANK)) if len(parts) > 2 else len(_RANK)
