"""Result lines with scores to the few that are most worth seeing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nasfarm.core.reduced import Telling

MOST = 24
"""As many as a report shows."""

_WINDOW_S = 10.0
"""Of so much of a video one frame is enough: the next one shows the same."""

_HELD = 1000


@dataclass(slots=True)
class Tellings:
    """Takes any number of lines and holds few: of each item, or part of a video, the best."""

    held: dict[tuple[str, int], Telling] = field(default_factory=dict)

    def add(self, record: Mapping[str, Any], why: str, score: float) -> None:
        """The line may be worth seeing; the higher the score, the rather.

        One that inherits its result looks as an earlier one does.
        """
        if "inherited" in record:
            return
        frame = record.get("frame")
        window = int(frame["seconds"] // _WINDOW_S) if frame else record["i"]
        place = (record["item"], window)
        if place not in self.held or score > self.held[place].score:
            self.held[place] = Telling(record["i"], why, score)
        if len(self.held) > _HELD:
            kept = sorted(self.held.items(), key=lambda entry: _order(entry[1]))
            self.held = dict(kept[:MOST])

    def best(self) -> tuple[Telling, ...]:
        """The MOST of them, the best first; of equal ones the first in the job."""
        return tuple(sorted(self.held.values(), key=_order)[:MOST])


def _order(telling: Telling) -> tuple[float, int]:
    return (-telling.score, telling.i)
