"""Lines of things in zones to what stood in each zone, and alerts where it was too much. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.core.reduced import Cell, Chart, Fact, Reduced, Table
from nasfarm_workers.recipes.telling import Tellings

APART_S = 2.0
"""An alert of a video goes on where it is seen again within so long: models miss a thing now and
then, and one visitor is one alert."""

_ALERT = 1000.0
"""What an alert is worth more than any number of things without one."""

Record = Mapping[str, Any]
Things = Sequence[Record]


@dataclass(slots=True)
class _Alert:
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
    def begun(cls, record: Record) -> _Alert:
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


def alerts(lines: Iterable[Record], recipe: ResolvedRecipe) -> Reduced:
    """In how many pictures and at most how many things were seen, in all and in each zone.

    params: `alert_count`: a picture with so many things is an alert (0: none is, or with a zone one
    thing); `alert_zone`: where they have to stand (everywhere). Frames of a video that follow each
    other are one alert.
    """
    zone = str(recipe.params.get("alert_zone", ""))
    least = int(recipe.params.get("alert_count", 0)) or int(bool(zone))
    pictures, most = Counter[str](), Counter[str]()
    told: list[_Alert] = []
    tellings = Tellings()
    for record in lines:
        things = record.get("detections", ())
        for place, count in _counts(things).items():
            pictures[place] += 1
            most[place] = max(most[place], count)
        here = [thing for thing in things if not zone or zone in thing.get("zones", ())]
        alarming = bool(least) and len(here) >= least
        if alarming:
            if not told or not told[-1].goes_on(record):
                told.append(_Alert.begun(record))
            told[-1].add(record, here)
        if things:
            worth = _ALERT + len(here) if alarming else float(len(things))
            tellings.add(record, "alert" if alarming else "most", worth)
    facts, tables, charts = _in_zones(pictures, most, recipe)
    if least:
        facts.append(Fact("alerts", len(told), of=zone))
        tables.append(_alert_table(told, zone))
    return Reduced(tuple(facts), tuple(tables), tuple(charts), telling=tellings.best())


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


def _alert_table(told: Sequence[_Alert], zone: str) -> Table:
    columns = ("item", "frame", "time", "zone", "label", "count", "seconds")
    return Table("alerts", columns, tuple(alert.row(zone) for alert in told))
