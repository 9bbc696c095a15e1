"""Lines of things to where they stood for how long: a grid of seconds, and dwell by zone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC
from itertools import pairwise
from statistics import median_low
from typing import Any, Self

from nasfarm.core.places import feet
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.core.reduced import Chart, Fact, Heat, Note, Reduced, Table
from nasfarm_workers.recipes.taken import read_time
from nasfarm_workers.recipes.telling import Tellings

NAME = "heat"
"""Of the picture and the table."""

CELLS = 96
"""Of the grid along the picture's longer side: somebody in the distance covers one or two."""

ASSUMED_S = 1.0
"""What a picture counts where nothing says how far it is from the next."""

MANY_SIZES = (
    "The pictures have {} sizes: a heat map is of one camera that does not move. Hand in each "
    "camera by itself."
)
_COUNTS_AS = "Each still picture counts as {:g} s, "
_ANOTHER = "; --set interval= says another."
MEDIAN_STEP = f"{_COUNTS_AS}the median step between them{_ANOTHER}"
CUT_SHORT = f"{_COUNTS_AS}as much as 'longest' lets it{_ANOTHER}"
NO_STEP = f"{_COUNTS_AS}for want of better{_ANOTHER}"

Record = Mapping[str, Any]
Spot = tuple[int, tuple[str, ...]]
"""Where one thing stands: its cell, and the zones around it."""


@dataclass(slots=True)
class _Dwell:
    """How much was stood in each cell, in each zone and in all."""

    cells: dict[int, float] = field(default_factory=dict)
    zones: dict[str, float] = field(default_factory=dict)
    total: float = 0.0

    def add(self, spots: Iterable[Spot], worth: float) -> None:
        for cell, zones in spots:
            self.cells[cell] = self.cells.get(cell, 0.0) + worth
            self.total += worth
            for zone in zones:
                self.zones[zone] = self.zones.get(zone, 0.0) + worth

    def join(self, other: _Dwell, worth: float) -> None:
        """Take over what another says, each of its units being worth so much."""
        for cell, units in other.cells.items():
            self.cells[cell] = self.cells.get(cell, 0.0) + units * worth
        for zone, units in other.zones.items():
            self.zones[zone] = self.zones.get(zone, 0.0) + units * worth
        self.total += other.total * worth


@dataclass(slots=True)
class _Film:
    """The last frame that was seen: it counts until the next one of its video."""

    longest_s: float
    dwell: _Dwell = field(default_factory=_Dwell)
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
    times_s: dict[str, list[float]] = field(default_factory=dict)

    def show(self, item: str, taken_at: str, spots: Sequence[Spot]) -> None:
        self.dwell.add(spots, 1.0)
        if taken_at:
            self.times_s.setdefault(item.rpartition("/")[0], []).append(_seconds(taken_at))

    def step_s(self) -> float:
        """The median step from one picture to the next of its folder; 0 where there is none."""
        steps = [step for times in self.times_s.values() for step in _steps(times)]
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
        zones = [tuple(thing.get("zones", ())) for thing in record["detections"]]
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


@dataclass(slots=True)
class Standing:
    """Seconds that things stood in each place: a heat, a table of it, and dwell by zone.

    A frame counts until the next one of its video. params: `longest`, the most seconds that one
    picture counts (60); `interval`, what a still picture counts (0: the median step between them).
    emptiest: the item with the fewest things, of which there are `least`.
    """

    recipe: ResolvedRecipe
    film: _Film
    stills: _Stills = field(default_factory=_Stills)
    tellings: Tellings = field(default_factory=Tellings)
    grid: _Grid | None = None
    sizes: set[tuple[int, int]] = field(default_factory=set)
    emptiest: int = 0
    least: int | None = None

    @classmethod
    def begun(cls, recipe: ResolvedRecipe) -> Self:
        return cls(recipe, _Film(float(recipe.params.get("longest", 60.0))))

    def add(self, record: Record) -> None:
        if "detections" not in record:
            return
        size = (record["width"], record["height"])
        self.sizes.add(size)
        self.grid = self.grid or _Grid.over(*size)
        spots = self.grid.spots(record)
        if self.least is None or len(spots) < self.least:
            self.emptiest, self.least = record["i"], len(spots)
        if "frame" in record:
            self.film.show(record["item"], record["frame"]["seconds"], spots)
        else:
            self.stills.show(record["item"], record.get("taken_at", ""), spots)
        if spots:
            self.tellings.add(record, "most", float(len(spots)))

    def reduced(self) -> Reduced:
        if self.grid is None:
            return Reduced()
        film = deepcopy(self.film)
        film.end()
        still_s, notes = _still_s(self.stills, self.recipe, film.longest_s)
        film.dwell.join(self.stills.dwell, still_s)
        if len(self.sizes) > 1:
            notes.append(Note(MANY_SIZES, (len(self.sizes),)))
        return _said(film.dwell, self.grid, self.emptiest, self.recipe, self.tellings, notes)


def _still_s(stills: _Stills, recipe: ResolvedRecipe, longest_s: float) -> tuple[float, list[Note]]:
    """What a still picture counts, and what a reader should know of it."""
    said_s = float(recipe.params.get("interval", 0.0))
    if said_s or not stills.dwell.total:
        return said_s, []
    step_s = stills.step_s()
    still_s = min(longest_s, step_s) or ASSUMED_S
    why = CUT_SHORT if step_s > longest_s else MEDIAN_STEP if step_s else NO_STEP
    return still_s, [Note(why, (still_s,))]


def _said(
    dwell: _Dwell,
    grid: _Grid,
    emptiest: int,
    recipe: ResolvedRecipe,
    tellings: Tellings,
    notes: Sequence[Note],
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
        stood_s = dwell.zones.get(zone, 0.0)
        part = stood_s / dwell.total if dwell.total else 0.0
        yield zone, round(stood_s, 3), round(100 * part, 1)


def _steps(times_s: Iterable[float]) -> Iterator[float]:
    """From one moment to the next, where they differ."""
    return (later - earlier for earlier, later in pairwise(sorted(times_s)) if later > earlier)


def _seconds(taken_at: str) -> float:
    """Since 1970; without an offset as if it were UTC, on every node alike."""
    taken = read_time(taken_at)
    return (taken if taken.tzinfo else taken.replace(tzinfo=UTC)).timestamp()
