"""Lines of things to where they stood for how long: a grid of seconds, and dwell by zone. Pure."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median_low
from typing import Any

from nasfarm.core.places import feet
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.core.reduced import Chart, Fact, Heat, Reduced, Table
from nasfarm_workers.recipes.telling import Tellings

NAME = "heat"
"""Of the picture and the table."""

CELLS = 96
"""Of the grid along the picture's longer side: somebody in the distance covers one or two."""

ASSUMED_S = 1.0
"""What a picture counts where nothing says how far it is from the next."""

Record = Mapping[str, Any]
Spot = tuple[int, Sequence[str]]
"""Where one thing stands: its cell, and the zones around it."""


@dataclass(slots=True)
class _Dwell:
    """How much was stood in each cell, in each zone and in all."""

    cells: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    zones: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    total: float = 0.0

    def add(self, spots: Iterable[Spot], worth: float) -> None:
        for cell, zones in spots:
            self.cells[cell] += worth
            self.total += worth
            for zone in zones:
                self.zones[zone] += worth

    def join(self, other: _Dwell, worth: float) -> None:
        """Take over what another says, each of its units being worth so much."""
        for cell, units in other.cells.items():
            self.cells[cell] += units * worth
        for zone, units in other.zones.items():
            self.zones[zone] += units * worth
        self.total += other.total * worth


@dataclass(slots=True)
class _Film:
    """The last frame that was seen: it counts until the next one of its video."""

    longest_s: float
    dwell: _Dwell
    item: str = ""
    at_s: float = 0.0
    step_s: float = ASSUMED_S
    spots: Sequence[Spot] = ()

    def show(self, item: str, at_s: float, spots: Sequence[Spot]) -> None:
        same = item == self.item
        if same:
            self.step_s = min(self.longest_s, at_s - self.at_s)
        self.end()
        if not same:
            self.step_s = ASSUMED_S
        self.item, self.at_s, self.spots = item, at_s, spots

    def end(self) -> None:
        """No frame follows: the last one counts as long as the one before it."""
        self.dwell.add(self.spots, self.step_s)
        self.spots = ()


@dataclass(slots=True)
class _Stills:
    """Pictures that are files: each counts alike, how much is known at the end.

    times_s: of each folder's pictures.
    """

    dwell: _Dwell = field(default_factory=_Dwell)
    times_s: defaultdict[str, array[float]] = field(
        default_factory=lambda: defaultdict(lambda: array("d"))
    )

    def show(self, item: str, taken_at: str, spots: Sequence[Spot]) -> None:
        self.dwell.add(spots, 1.0)
        if taken_at:
            self.times_s[item.rpartition("/")[0]].append(_seconds(taken_at))

    def step_s(self) -> float:
        """The median step from one picture to the next of its folder; 0 where there is none."""
        steps = array("d", (step for times in self.times_s.values() for step in _steps(times)))
        return median_low(steps) if steps else 0.0


@dataclass(frozen=True, slots=True)
class _Grid:
    """Cells over the whole picture, as square as can be."""

    columns: int
    rows: int

    @classmethod
    def over(cls, width: int, height: int) -> _Grid:
        longer = max(width, height)
        return cls(*(max(1, round(CELLS * side / longer)) for side in (width, height)))

    def spots(self, record: Record) -> list[Spot]:
        """Where the things of a line stand."""
        zones = [thing.get("zones", ()) for thing in record["detections"]]
        cells = (
            min(self.rows - 1, int(y * self.rows)) * self.columns
            + min(self.columns - 1, int(x * self.columns))
            for x, y in feet(record)
        )
        return list(zip(cells, zones, strict=True))

    def middle(self, cell: int) -> tuple[float, float]:
        """x and y of a cell's middle, 0..1."""
        row, column = divmod(cell, self.columns)
        return (round((column + 0.5) / self.columns, 4), round((row + 0.5) / self.rows, 4))


def heatmap(lines: Iterable[Record], recipe: ResolvedRecipe) -> Reduced:
    """Seconds that things stood in each place: a heat, a table of it, and dwell by zone.

    A frame counts until the next one of its video. params: `longest`, the most seconds that one
    picture counts (60); `interval`, what a still picture counts (0: the median step between them).
    """
    longest_s = float(recipe.params.get("longest", 60.0))
    film, stills, tellings = _Film(longest_s, _Dwell()), _Stills(), Tellings()
    grid, emptiest, least, sizes = None, 0, -1, set()
    for record in lines:
        if "detections" not in record:
            continue
        size = (record["width"], record["height"])
        sizes.add(size)
        grid = grid or _Grid.over(*size)
        spots = grid.spots(record)
        if least < 0 or len(spots) < least:
            emptiest, least = record["i"], len(spots)
        if "frame" in record:
            film.show(record["item"], record["frame"]["seconds"], spots)
        else:
            stills.show(record["item"], record.get("taken_at", ""), spots)
        if spots:
            tellings.add(record, "most", len(spots))
    film.end()
    if grid is None:
        return Reduced()
    still_s, notes = _still_s(stills, recipe, longest_s)
    film.dwell.join(stills.dwell, still_s)
    if len(sizes) > 1:
        notes.append(
            f"The pictures have {len(sizes)} sizes: a heat map is of one camera that does not "
            "move. Hand in each camera by itself."
        )
    return _said(film.dwell, grid, emptiest, recipe, tellings, notes)


def _still_s(stills: _Stills, recipe: ResolvedRecipe, longest_s: float) -> tuple[float, list[str]]:
    """What a still picture counts, and what a reader should know of it."""
    said_s = float(recipe.params.get("interval", 0.0))
    if said_s or not stills.dwell.total:
        return said_s, []
    step_s = stills.step_s()
    still_s = min(longest_s, step_s) or ASSUMED_S
    why = "the median step between them" if step_s else "for want of better"
    if step_s > longest_s:
        why = "as much as 'longest' lets it"
    said = f"Each still picture counts as {still_s:g} s, {why}; --set interval= says another."
    return still_s, [said]


def _said(
    dwell: _Dwell,
    grid: _Grid,
    emptiest: int,
    recipe: ResolvedRecipe,
    tellings: Tellings,
    notes: Sequence[str],
) -> Reduced:
    cells = range(grid.columns * grid.rows)
    seconds = tuple(round(dwell.cells.get(cell, 0.0), 3) for cell in cells)
    places = ((*grid.middle(cell), seconds[cell]) for cell in cells if seconds[cell])
    facts = [Fact("dwell", round(dwell.total, 3), "s")]
    tables = [Table(NAME, ("x", "y", "seconds"), tuple(places))]
    charts = []
    if recipe.zones:
        rows = tuple(_zone_rows(dwell, recipe))
        for zone, zone_s, percent in rows:
            facts += [Fact("dwell", zone_s, "s", zone), Fact("dwell_share", percent, "%", zone)]
        tables.append(Table("dwell", ("zone", "seconds", "percent"), rows))
        charts.append(Chart("dwell", "bars", "dwell", "zone", ("seconds",)))
    return Reduced(
        facts=tuple(facts),
        tables=tuple(tables),
        charts=tuple(charts),
        heats=(Heat(NAME, grid.columns, grid.rows, seconds, emptiest),),
        telling=tellings.best(),
        notes=tuple(notes),
    )


def _zone_rows(dwell: _Dwell, recipe: ResolvedRecipe) -> Iterator[tuple[str, float, float]]:
    for zone in recipe.zones:
        part = dwell.zones[zone] / dwell.total if dwell.total else 0.0
        yield zone, round(dwell.zones[zone], 3), round(100 * part, 1)


def _steps(times_s: Iterable[float]) -> Iterator[float]:
    """From one moment to the next, where they differ."""
    return (later - earlier for earlier, later in pairwise(sorted(times_s)) if later > earlier)


def _seconds(taken_at: str) -> float:
    """Since 1970; without an offset as if it were UTC, on every node alike."""
    taken = datetime.fromisoformat(taken_at)
    return (taken if taken.tzinfo else taken.replace(tzinfo=UTC)).timestamp()
