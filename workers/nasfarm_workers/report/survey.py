"""Result lines, as they go by, to what a report shows of any job. Pure; holds a few hundred values
however many lines there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nasfarm.core.items import item_name
from nasfarm.core.reduced import Telling
from nasfarm_workers.report.bins import Bins
from nasfarm_workers.report.clocks import quick_wall_s

MOST_NAMES = 10_000
"""So many names of failed items are listed, all reasons together: 0.6 MB of a page."""
MOST_REASONS = 100
BUCKETS = 64
LABELS = 300
"""Of so many labels the clearest picture is known: classifiers have a thousand."""

TEXTS = "texts"
"""What lines of text count as, which differ too much to be counted one by one."""


@dataclass(slots=True)
class Failures:
    """Those of one reason. names: the first ones."""

    code: str
    reason: str
    count: int = 0
    names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Survey:
    """What has been seen so far.

    clock: what was found at which time of the wall clock; film: at which second of the one video.
    file_s: the date of a video's file, where it says nothing else. best: of each run of items the
    most telling one. surest: label → where it is clearest.
    """

    things: Counter[str] = field(default_factory=Counter)
    pictures: int = 0
    with_things: int = 0
    texts: int = 0
    first_ok: int | None = None
    clock: Bins = field(default_factory=Bins)
    film: Bins = field(default_factory=Bins)
    videos: set[str] = field(default_factory=set)
    file_s: float | None = None
    failures: dict[tuple[str, str], Failures] = field(default_factory=dict)
    names: int = 0
    best: dict[int, Telling] = field(default_factory=dict)
    run: int = 1
    surest: dict[str, Telling] = field(default_factory=dict)

    def add(self, record: Mapping[str, Any]) -> None:
        """Take in one line, as JSON has it."""
        self.pictures += 1
        if record["status"] == "error":
            self._fail(record)
            return
        if "width" not in record:  # the same as another item, which has its own line
            return
        if self.first_ok is None:
            self.first_ok = record["i"]
        things = things_in(record)
        self.with_things += bool(things)
        self.texts += len(record.get("texts", ()))
        for thing in things:
            self.things[thing] += 1
        self._time(record, things)
        if "inherited" not in record:  # else it looks as an earlier one does
            self._keep(record, things)

    @property
    def only_film(self) -> bool:
        """Whether there is but one video's own time to go by."""
        return len(self.videos) == 1 and not self.clock.items

    @property
    def film_from_s(self) -> float | None:
        """What times of a reduce are counted from where only a video's own time says something."""
        return self.file_s if self.only_film else None

    @property
    def only_texts(self) -> bool:
        """Whether lines of text are all that was found."""
        return set(self.things) == {TEXTS}

    def telling(self, most: int) -> list[Telling]:
        """The items most worth seeing: the fullest one, each frequent label's clearest, and then
        the fullest of all parts of the job.
        """
        fullest = sorted(self.best.values(), key=lambda one: (-one.score, one.i))
        labels = sorted(self.surest, key=lambda name: (-self.things[name], name))
        clear = [self.surest[name] for name in labels[: most // 2]]
        chosen: dict[int, Telling] = {}
        for one in (*fullest[:1], *clear, *fullest):
            chosen.setdefault(one.i, one)
        return list(chosen.values())[:most]

    def _fail(self, record: Mapping[str, Any]) -> None:
        name = item_name(record["item"], record.get("frame", {}).get("number"))
        code, message = record["error"]["code"], record["error"]["message"]
        reason = message.removeprefix(f"{name}: ")
        if (code, reason) not in self.failures and len(self.failures) >= MOST_REASONS:
            reason = ""  # every file has one of its own
        group = self.failures.setdefault((code, reason), Failures(code, reason))
        group.count += 1
        if self.names < MOST_NAMES:
            self.names += 1
            group.names.append(name)

    def _time(self, record: Mapping[str, Any], things: list[str]) -> None:
        frame = record.get("frame")
        if frame:
            if len(self.videos) < 2:
                self.videos.add(record["item"])
            self.film.add(frame["seconds"], things)
        at_s = quick_wall_s(record.get("taken_at", ""))
        if frame and record.get("time_source") == "mtime":
            if self.file_s is None and at_s is not None:
                self.file_s = at_s - frame["seconds"]
        elif at_s is not None:
            self.clock.add(at_s, things)

    def _keep(self, record: Mapping[str, Any], things: list[str]) -> None:
        i = record["i"]
        fullness = float(len(things) + len(set(things)))
        run = i // self.run
        best = self.best.get(run)
        if best is None or fullness > best.score:
            why = "most" if len(things) > 1 else "spread"
            self.best[run] = Telling(i, why, fullness)
            if len(self.best) > BUCKETS:
                self._widen()
        for found in (*record.get("detections", ()), *record.get("classes", ())[:1]):
            name, score = found["label"], found["score"]
            known = self.surest.get(name)
            if (known is None and len(self.surest) < LABELS) or (known and score > known.score):
                self.surest[name] = Telling(i, "surest", score)

    def _widen(self) -> None:
        """Runs become twice as long; of each two the better one stays."""
        self.run *= 2
        better: dict[int, Telling] = {}
        for one in sorted(self.best.values(), key=lambda one: (-one.score, one.i)):
            better.setdefault(one.i // self.run, one)
        self.best = better


def things_in(record: Mapping[str, Any]) -> list[str]:
    """What a line counts for: its labels, or the likeliest class, and each line of text."""
    if "detections" in record:
        return [found["label"] for found in record["detections"]]
    if "classes" in record:
        return [found["label"] for found in record["classes"][:1]]
    return [TEXTS] * len(record.get("texts", ()))
