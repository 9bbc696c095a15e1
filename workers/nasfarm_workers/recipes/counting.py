"""Lines of people or vehicles to how many there were, when and where, and what crossed. Pure.

In stills things are counted picture by picture. In sequences they are followed besides, so that a
box missed now and then is no gap, and lines are crossed once by whoever crosses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, ClassVar, Self

from nasfarm.core.lines import FAINT
from nasfarm.core.places import crossed, foot, in_polygon
from nasfarm.core.recipes import Point, ResolvedRecipe, Shapes
from nasfarm.core.reduced import Reduced
from nasfarm_workers.recipes.counted import Counted, Crossing
from nasfarm_workers.recipes.sequences import Sequences
from nasfarm_workers.recipes.tracks import Candidate, Seen, Tracker

STEP_S, LOST_S = 2.0, 2.0
"""What a recipe without the parameters `step` and `lost` has."""

_CLEAR = 0.1
"""Who is nearer to a line, in parts of its box's longer side, stands on it: feet are not found more
exactly, and who waits on a line does not cross it ten times."""

Record = Mapping[str, Any]


@dataclass(slots=True)
class Counting:
    """What the lines so far come to.

    params: `step`: pictures further apart, in seconds, do not follow each other; `lost`: who is not
    seen for so many seconds is somebody new. Both are 2 where the recipe has no such parameter.
    """

    things: ClassVar[str]
    counted: Counted
    lost_s: float
    sequences: Sequences[Tracker] = field(default_factory=Sequences)

    @classmethod
    def begun(cls, recipe: ResolvedRecipe) -> Self:
        step_s = float(recipe.params.get("step", STEP_S))
        return cls(Counted(cls.things, recipe, step_s), float(recipe.params.get("lost", LOST_S)))

    def add(self, record: Record) -> None:
        counted, recipe = self.counted, self.counted.recipe
        moment = self.sequences.moment(record, counted.step_s, lambda: Tracker(self.lost_s))
        if moment is None:
            return
        size = (record["width"], record["height"])
        seen = moment.state.follow(moment.passed_s or 0.0, candidates(record, recipe.labels))
        feet = [foot(one.box, *size) for one in seen]
        inside = (sum(in_polygon(f, corners) for f in feet) for corners in recipe.zones.values())
        ways = crossings(seen, feet, recipe.lines, size)
        counted.add(moment, [len(seen), *inside], list(ways), [one.track for one in seen])

    def reduced(self) -> Reduced:
        return self.counted.reduced()


@dataclass(slots=True)
class PeopleCounting(Counting):
    """How many people there were, at most and on average, in all and by zone; how many crossed each
    line in which direction.
    """

    things: ClassVar[str] = "people"


@dataclass(slots=True)
class VehicleCounting(Counting):
    """The same of vehicles, and how many there were of each kind."""

    things: ClassVar[str] = "vehicles"


def candidates(record: Record, labels: Sequence[str]) -> list[Candidate]:
    """What a line has to follow: its things, and those that were found too faintly to be said.

    Without labels, things of every label.
    """
    return [
        Candidate(thing["label"], thing["score"], tuple(thing["box"]), sure)
        for field, sure in (("detections", True), (FAINT, False))
        for thing in record.get(field, ())
        if not labels or thing["label"] in labels
    ]


def crossings(
    seen: Sequence[Seen], feet: Sequence[Point], lines: Shapes, size: tuple[int, int]
) -> Iterator[Crossing]:
    """Who has crossed which line since he was last clear of it. feet: where each stands, 0..1."""
    for one, place in zip(seen, feet, strict=True):
        for number, (name, line) in enumerate(lines.items()):
            x1, y1, x2, y2 = one.box
            if _off(place, line, size) < _CLEAR * max(x2 - x1, y2 - y1):
                continue
            before = one.track.beside.get(name)
            one.track.beside[name] = place
            way = crossed(before, place, line) if before and one.track.confirmed else 0
            if way:
                yield Crossing(number, way, one.track)


def _off(place: Point, line: Sequence[Point], size: tuple[int, int]) -> float:
    """How many pixels a place is off the endless straight on which a line lies."""
    width, height = size
    (x1, y1), (x2, y2) = line
    along, down = (x2 - x1) * width, (y2 - y1) * height
    across = along * (place[1] - y1) * height - down * (place[0] - x1) * width
    return abs(across) / max(sqrt(along * along + down * down), 1e-9)
