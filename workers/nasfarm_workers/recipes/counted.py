"""Counts of single pictures to what a summary says of all: facts, tables, charts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from nasfarm.core.places import INWARDS
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.core.reduced import Cell, Chart, Fact, Note, Reduced, Table
from nasfarm_workers.recipes.overtime import OverTime
from nasfarm_workers.recipes.sequences import Moment, clock_text
from nasfarm_workers.recipes.telling import Tellings
from nasfarm_workers.recipes.tracks import Track

MOST_SPANS = 1000
"""Rows of the table over time: more than a screen has pixels helps nobody."""

NOT_FOLLOWED = (
    "Nobody knows who crossed a line: no two pictures of one camera lie {:g} s or less apart, so "
    "nothing could be followed. Hand in a video, or four pictures a second."
)
SEVERAL = (
    "There are {:,} cameras, videos or folders. Numbers are of single pictures, whichever took "
    "them, and not added up; the table `sources` has each by itself."
)
MORE_THAN_DRAWN = (
    "In {:,} pictures more are counted than boxes are drawn: who was seen clearly before is "
    "followed also where the model is less sure."
)
FILE_DATES = (
    "The times of {:,} of {:,} pictures are the dates of their files, which for a copy may be when "
    "it was copied."
)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A track has crossed a line: its place among the recipe's lines, and INWARDS or OUTWARDS."""

    line: int
    way: int
    track: Track


@dataclass(slots=True)
class Sum:
    """What pictures add up to. total, most: in the whole picture, then in each zone.

    ways: inwards and outwards over the first line, then the next.
    """

    total: list[int]
    most: list[int]
    ways: list[int]
    pictures: int = 0

    @classmethod
    def of(cls, zones: int, lines: int) -> Sum:
        """Of no picture yet."""
        return cls([0] * (1 + zones), [0] * (1 + zones), [0] * (2 * lines))

    def take_in(self, other: Sum) -> None:
        """Add what others add up to."""
        self.pictures += other.pictures
        self.total = [a + b for a, b in zip(self.total, other.total, strict=True)]
        self.most = [max(a, b) for a, b in zip(self.most, other.most, strict=True)]
        self.ways = [a + b for a, b in zip(self.ways, other.ways, strict=True)]

    def cells(self) -> Iterator[Cell]:
        """Pictures; mean and most of each place; inwards and outwards of each line."""
        yield self.pictures
        for total, most in zip(self.total, self.most, strict=True):
            yield self.mean(total)
            yield most
        yield from self.ways

    def mean(self, total: int) -> float:
        """A total, by picture."""
        return round(total / self.pictures, 2) if self.pictures else 0.0


@dataclass(slots=True)
class Counted:
    """Takes in any number of pictures and holds few numbers.

    things: `people` or `vehicles`. step_s: pictures further apart were not followed. followed: how
    many tracks, by label. in_sequences: how many pictures followed another. peak: the most in one
    picture, and when. carried: in how many pictures somebody counts whose box is faint.
    file_dates: how many have but their file's time.
    """

    things: str
    recipe: ResolvedRecipe
    step_s: float
    spans: OverTime[Sum] = field(default_factory=lambda: OverTime(MOST_SPANS))
    sources: dict[str, Sum] = field(default_factory=dict)
    tellings: Tellings = field(default_factory=Tellings)
    followed: Counter[str] = field(default_factory=Counter)
    passages: list[tuple[Cell, ...]] = field(default_factory=list)
    in_sequences: int = 0
    carried: int = 0
    file_dates: int = 0
    peak: tuple[int, float] = (0, 0.0)

    def add(
        self,
        moment: Moment[Any],
        counts: Sequence[int],
        crossings: Sequence[Crossing],
        tracks: Sequence[Track],
    ) -> None:
        """Take in a picture. counts: in all, then in each zone; tracks: those seen in it."""
        record = moment.record
        self.carried += counts[0] > len(record.get("detections", ()))
        self.file_dates += record.get("time_source") == "mtime"
        one = self._nothing()
        one.total, one.most, one.pictures = list(counts), list(counts), 1
        for crossing in crossings:
            one.ways[2 * crossing.line + (crossing.way != INWARDS)] += 1
            self.passages.append(self._passage(moment, crossing))
        if moment.source not in self.sources:
            self.sources[moment.source] = self._nothing()
        self.sources[moment.source].take_in(one)
        self.spans.at(moment.clock_s, self._nothing).take_in(one)
        self.in_sequences += moment.passed_s is not None
        if counts[0] > self.peak[0]:
            self.peak = (counts[0], moment.clock_s)
        self._count_tracks(tracks)
        if counts[0]:
            self.tellings.add(record, "crossing" if crossings else "most", float(counts[0]))

    def _count_tracks(self, tracks: Sequence[Track]) -> None:
        """By label; what turns out to be something else is counted as that instead."""
        for track in tracks:
            if track.confirmed and track.counted_as != track.label:
                self.followed[track.counted_as] -= 1
                self.followed[track.label] += 1
                track.counted_as = track.label

    def reduced(self) -> Reduced:
        """All that there is to say."""
        charts = [Chart(self.things, "time", "counts", "time", ("mean", "most"))]
        if self.recipe.zones:
            ys = tuple(f"{zone} mean" for zone in self.recipe.zones)
            charts.append(Chart("zones", "time", "counts", "time", ys))
        tables = [Table("counts", ("time", *self._columns()), tuple(self._rows_over_time()))]
        if self.recipe.lines and self.in_sequences:
            charts.append(Chart("crossings", "time", "counts", "time", tuple(self._ways())))
            tables.append(Table("crossings", _PASSAGE, tuple(self.passages)))
        if len(self.sources) > 1:
            rows = tuple(self._rows_by_source())
            tables.append(Table("sources", ("source", *self._columns()), rows))
            charts.append(Chart("sources", "bars", "sources", "source", ("mean", "most")))
        return Reduced(
            facts=tuple(self._facts()),
            tables=tuple(tables),
            charts=tuple(charts),
            telling=self.tellings.best(),
            notes=tuple(self._notes()),
        )

    def _whole(self) -> Sum:
        whole = self._nothing()
        for one in self.sources.values():
            whole.take_in(one)
        return whole

    def _nothing(self) -> Sum:
        return Sum.of(len(self.recipe.zones), len(self.recipe.lines))

    def _passage(self, moment: Moment[Any], crossing: Crossing) -> tuple[Cell, ...]:
        record = moment.record
        return (
            clock_text(moment.clock_s), record["i"], record["item"],
            record["frame"]["number"] if "frame" in record else None,
            list(self.recipe.lines)[crossing.line], "in" if crossing.way == INWARDS else "out",
            crossing.track.label,
        )  # fmt: skip

    def _columns(self) -> Iterator[str]:
        """Names of zones hold no blank, so that none of these comes twice."""
        yield from ("pictures", "mean", "most")
        for zone in self.recipe.zones:
            yield from (f"{zone} mean", f"{zone} most")
        yield from self._ways()

    def _ways(self) -> Iterator[str]:
        for line in self.recipe.lines:
            yield from (f"{line} in", f"{line} out")

    def _rows_over_time(self) -> Iterator[tuple[Cell, ...]]:
        for begins_s, one in self.spans.spans():
            yield (clock_text(begins_s), *self._cells(one))

    def _rows_by_source(self) -> Iterator[tuple[Cell, ...]]:
        """By the shortest names that tell them apart."""
        parts = {name: name.split("/") for name in self.sources}
        folders = zip(*(path[:-1] for path in parts.values()), strict=False)
        same = sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, folders))
        for name in sorted(self.sources):
            yield ("/".join(parts[name][same:]), *self._cells(self.sources[name]))

    def _cells(self, one: Sum) -> Iterator[Cell]:
        """Where nothing was followed, nobody knows who crossed a line."""
        ways = len(one.ways) if not self.in_sequences else 0
        cells = list(one.cells())
        yield from cells[: len(cells) - ways]
        yield from [None] * ways

    def _facts(self) -> Iterator[Fact]:
        things, whole = self.things, self._whole()
        for place, zone in enumerate(("", *self.recipe.zones)):
            yield Fact(f"{things}_mean", whole.mean(whole.total[place]), of=zone)
            yield Fact(f"{things}_peak", whole.most[place], of=zone)
            if self.peak[0] and not zone:
                yield Fact(f"{things}_peak_at", clock_text(self.peak[1]))
        for place, line in enumerate(self.recipe.lines if self.in_sequences else ()):
            yield Fact(f"{things}_in", whole.ways[2 * place], of=line)
            yield Fact(f"{things}_out", whole.ways[2 * place + 1], of=line)
        if self.in_sequences:
            for label, count in sorted((+self.followed).items()):
                yield Fact(f"{things}_followed", count, of=label)

    def _notes(self) -> Iterator[Note]:
        if len(self.sources) > 1:
            yield Note(SEVERAL, (len(self.sources),))
        pictures = self._whole().pictures
        if 2 * self.file_dates > pictures:
            yield Note(FILE_DATES, (self.file_dates, pictures))
        if self.carried:
            yield Note(MORE_THAN_DRAWN, (self.carried,))
        if self.recipe.lines and self.sources and not self.in_sequences:
            yield Note(NOT_FOLLOWED, (self.step_s,))


_PASSAGE = ("time", "i", "item", "frame", "line", "direction", "label")
