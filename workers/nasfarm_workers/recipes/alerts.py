"""Lines of things in zones to what stood in each zone, and alerts where it was too much. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.core.reduced import Cell, Chart, Fact, Reduced, Table
from nasfarm_workers.recipes.telling import Tellings

APART_S = 2.0
"""An alert of a video goes on where it is seen again within so long: models miss a thing now and
then, and one visitor is one alert."""

_WORTH = 1000.0
"""What an alert is worth more than any number of things without one."""

Record = Mapping[str, Any]
Things = Sequence[Record]


@dataclass(slots=True)
class Alert:
    """One alert: at its most `count` things of `labels`. frame: its first; None for a still."""

    item: str
    frame: int | None
    taken_at: str
    first_s: float
    last_s: float
    last_i: int
    labels: set[str] = field(default_factory=set)
    count: int = 0

    @classmethod
    def begun(cls, record: Record) -> Alert:
        frame = record.get("frame") or {}
        at_s = frame.get("seconds", 0.0)
        taken_at = record.get("taken_at", "")
        return cls(record["item"], frame.get("number"), taken_at, at_s, at_s, record["i"])

    def goes_on(self, record: Record) -> bool:
        if "frame" not in record or record["item"] != self.item:
            return False
        follows = record["i"] == self.last_i + 1
        return bool(follows or record["frame"]["seconds"] - self.last_s <= APART_S)

    def add(self, record: Record, things: Things) -> None:
        if "frame" in record:
            self.last_s, self.last_i = record["frame"]["seconds"], record["i"]
        self.labels.update(thing["label"] for thing in things)
        self.count = max(self.count, len(things))

    def row(self, zone: str) -> tuple[Cell, ...]:
        labels = ", ".join(sorted(self.labels))
        lasted_s = None if self.frame is None else round(self.last_s - self.first_s, 3)
        return (self.item, self.frame, self.taken_at, zone, labels, self.count, lasted_s)


@dataclass(slots=True)
class Alerts:
    """In how many pictures and at most how many things were seen, in all and in each zone.

    params: `alert_count`: a picture with so many things is an alert (0: none is, or with a zone one
    thing); `alert_zone`: where they have to stand (everywhere). Frames of a video that follow each
    other are one alert.
    """

    recipe: ResolvedRecipe
    zone: str
    least: int
    pictures: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    told: list[Alert] = field(default_factory=list)
    tellings: Tellings = field(default_factory=Tellings)

    @classmethod
    def begun(cls, recipe: ResolvedRecipe) -> Self:
        zone = str(recipe.params.get("alert_zone", ""))
        return cls(recipe, zone, int(recipe.params.get("alert_count", 0)) or int(bool(zone)))

    def add(self, record: Record) -> None:
        things = record.get("detections", ())
        for place, count in _counts(things).items():
            self.pictures[place] += 1
            self.most[place] = max(self.most[place], count)
        here = [thing for thing in things if not self.zone or self.zone in thing.get("zones", ())]
        alarming = bool(self.least) and len(here) >= self.least
        if alarming:
            if not self.told or not self.told[-1].goes_on(record):
                self.told.append(Alert.begun(record))
            self.told[-1].add(record, here)
        if things:
            worth = _WORTH + len(here) if alarming else float(len(things))
            self.tellings.add(record, "alert" if alarming else "most", worth)

    def reduced(self) -> Reduced:
        facts, tables, charts = _in_zones(self.pictures, self.most, self.recipe)
        if self.least:
            facts.append(Fact("alerts", len(self.told), of=self.zone))
            tables.append(_alert_table(self.told, self.zone))
        telling = self.tellings.best()
        return Reduced(tuple(facts), tuple(tables), tuple(charts), telling=telling)


def _counts(things: Things) -> Counter[str]:
    """How many things there are, under "" in all and under each zone's name."""
    counts = Counter(zone for thing in things for zone in thing.get("zones", ()))
    return counts + Counter({"": len(things)})


def _in_zones(
    pictures: Counter[str], most: Counter[str], recipe: ResolvedRecipe
) -> tuple[list[Fact], list[Table], list[Chart]]:
    facts = []
    for place in ("", *recipe.zones):
        facts += [
            Fact("seen_in", pictures[place], "pictures", place),
            Fact("most_at_once", most[place], of=place),
        ]
    if not recipe.zones:
        return facts, [], []
    rows = tuple((zone, pictures[zone], most[zone]) for zone in recipe.zones)
    table = Table("zones", ("zone", "pictures", "most_at_once"), rows)
    return facts, [table], [Chart("zones", "bars", "zones", "zone", ("pictures",))]


def _alert_table(told: Sequence[Alert], zone: str) -> Table:
    columns = ("item", "frame", "time", "zone", "label", "count", "seconds")
    return Table("alerts", columns, tuple(alert.row(zone) for alert in told))
