"""Rolling jobs as `farm watch` and its workers write them, without either: for what reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nasfarm.core import wire
from nasfarm.core.items import Found
from nasfarm.core.jobs import Job, Priority, Segment, Skipped, Watched, end_of_plan
from nasfarm.core.lines import Detection, Fault, Line
from nasfarm.core.recipes import FOUND, ResolvedRecipe, Shapes
from nasfarm.home import Home
from nasfarm.jobs.store import JobStore
from nasfarm.registry.store import ModelStore
from nasfarm.storage.atomic import publish_file


def bare_home(folder: Path) -> Home:
    """A home and a state folder below `folder`, without models."""
    home, state = folder / "home", folder / "state"
    (home / "jobs").mkdir(parents=True, exist_ok=True)
    (state / "secrets").mkdir(mode=0o700, parents=True, exist_ok=True)
    return Home(
        jobs=JobStore(home / "jobs"),
        models=ModelStore(home / "models"),
        recipes=home / "recipes",
        roots={"home": home},
        state_dir=state,
    )


def person(i: int, item: str, score: float = 0.9, label: str = "person") -> Line:
    """A line of a 100 × 100 picture with one thing, whose foot is at 50, 80."""
    found = Detection(label, 0, score, (40.0, 20.0, 60.0, 80.0))
    return Line(i, item, width=100, height=100, model="m@1/int8", fields={"detections": (found,)})


def nobody(i: int, item: str) -> Line:
    return Line(i, item, width=100, height=100, model="m@1/int8", fields={"detections": ()})


def broken(i: int, item: str) -> Line:
    return Line(i, item, fault=Fault("decode", "this is no picture"))


@dataclass(slots=True)
class WatchedJob:
    """One recipe's job of one day (ISO date); `plan` and `publish` do as watcher and worker."""

    store: JobStore
    recipe: str
    day: str
    reduce: str = FOUND
    zones: Shapes = field(default_factory=dict)
    lines: Shapes = field(default_factory=dict)

    @property
    def job_id(self) -> str:
        return f"watch-{self.recipe}-{self.day}"

    def made(self) -> WatchedJob:
        shapes = (self.reduce, self.zones, self.lines)
        recipe = ResolvedRecipe(self.recipe, "detections", (), {}, 64, 0, *shapes)
        job = Job(
            self.job_id, self.job_id, f"{self.day}T00:00:00+00:00", recipe, Priority.NORMAL,
            0, 0, Skipped(), (), Watched(self.day),
        )  # fmt: skip
        with self.store.draft() as draft:
            for name in ("manifest.jsonl", "plan.jsonl"):
                (draft / name).write_bytes(b"")
            assert self.store.accept(draft, job)
        return self

    def item(self, name: str) -> str:
        return f"home:inbox/.taken/{self.recipe}/{self.day}/{name}"

    def plan(self, *sizes: int, name: str = "") -> list[list[int]]:
        """Enrol one chunk of each size; the item numbers of each. name: of the only item."""

        def cut(plan: tuple[Segment, ...], start: int, offsets: list[int]) -> tuple[Segment, ...]:
            first, made, at = end_of_plan(plan), [], 0
            for n, size in enumerate(sizes):
                begin = start + at
                segment = Segment(first + n, "home", begin, begin + size, size, offsets[at])
                made.append(segment)
                at += size
            return tuple(made)

        rolling = self.store.rolling(self.job_id)
        count = sum(segment.items for segment in rolling.plan.read())
        names = [self.item(name or f"cam/{count + n}.jpg") for n in range(sum(sizes))]
        segments = rolling.append([Found(name, 1, 1) for name in names], cut)
        return [list(range(segment.start, segment.stop)) for segment in segments]

    def publish(self, chunk: int, *lines: Line) -> None:
        content = b"".join(wire.line_bytes(line, row) for row, line in enumerate(lines))
        assert publish_file(self.store.chunk_file(self.job_id, chunk), content)

    def see(self, *names: str, label: str = "person") -> None:
        """Enrol and publish one chunk a name, each a picture with one thing."""
        for name in names:
            ((i,),) = self.plan(1, name=name)
            chunk = self.store.rolling(self.job_id).plan.read()[-1].first
            self.publish(chunk, person(i, self.item(name), label=label))
