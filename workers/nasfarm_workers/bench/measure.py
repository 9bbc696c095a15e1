"""`farm bench`: this farm, or one of its own for a minute, against the limit; and where time goes.

The farm that runs on this machine is measured, unless none does: then a temporary one is, as in
`farm demo`. What it puts into the home (photos and jobs) is gone afterwards.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nasfarm import demo, setup
from nasfarm.api import Farm
from nasfarm.core.jobs import Job
from nasfarm.core.nodes import NodeReport
from nasfarm.errors import RejectError, RetryError
from nasfarm.recipe_specs import specs
from nasfarm.storage.atomic import storage_errors
from nasfarm_workers.bench.photos import FULL_HD, enlarged, linked, sample_photos
from nasfarm_workers.bench.rates import Timed, limit_rate, model_file, only_model, through_farm
from nasfarm_workers.bench.rounds import Rounds, in_turn, ratios
from nasfarm_workers.bench.stages import pinned, step_costs
from nasfarm_workers.tuning.machine import tuning_for
from nasfarm_workers.worker import model_loader

ROUND_S = 8.0
"""Images for about so long make a round: a minute in all, on a fast machine and a slow one."""

_DISTINCT = 24
_MOST_IMAGES = 2000
_TIMEOUT_S = 120.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asks for. images: a round's; None: as many as take `ROUND_S`."""

    recipe: str
    photos: Path | None
    images: int | None
    rounds: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured. steps_ms: of one image on one core; `queue` is what the rest comes to."""

    model: str
    temporary_farm: bool
    cores: tuple[int, ...]
    images: int
    limit: Rounds
    farm: Rounds
    steps_ms: Mapping[str, float]

    @property
    def ratio(self) -> Rounds:
        return ratios(self.farm.values, self.limit.values)

    @property
    def noisy(self) -> bool:
        return self.limit.noisy or self.farm.noisy

    def document(self) -> dict[str, object]:
        """As `--json` prints it, with the keys of `make bench`."""
        name = self.model.partition("@")[0]
        key = f"farm/limit {name}"
        rates = {"limit_images_per_s": self.limit, "farm_images_per_s": self.farm}
        return {
            "ratios": {key: round(self.ratio.median, 3)},
            "figures": {each: round(rate.median, 2) for each, rate in rates.items()},
            "spread": {
                each: round(rate.spread, 3) for each, rate in {key: self.ratio, **rates}.items()
            },
            "noisy": self.noisy,
            "steps_ms": {step: round(cost, 2) for step, cost in self.steps_ms.items()},
            "model": self.model,
            "images": self.images,
            "rounds": len(self.farm.values),
            "cores": list(self.cores),
            "temporary_farm": self.temporary_farm,
        }


def measure(farm: Farm, wish: Wish, say: Say) -> Outcome:
    """Measure this machine. Raises RejectError; RetryError where the farm is at work or not up."""
    with quiet_farm(farm, wish.recipe, say) as (measured, cores, temporary):
        return _measured(measured, wish, cores, temporary, say)


@contextmanager
def quiet_farm(farm: Farm, recipe: str, say: Say) -> Iterator[tuple[Farm, tuple[int, ...], bool]]:
    """A farm with nothing to do, its cores, and whether it goes again afterwards."""
    settings = farm.settings
    if settings.farm_file.exists() and setup.is_running(settings.state_dir):
        yield farm, _cores(_idle_node(farm)), False
        return
    base = setup.user_folder("XDG_STATE_HOME", ".local/state")
    with storage_errors(base):
        base.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="nasfarm-bench-", dir=base))
    try:
        with demo.own_environment(folder):
            own = Farm(folder / "home")
            say("No farm is running here: starting one for this measurement")
            setup.make_home(own.settings)
            models = sorted({stage.model for stage in specs.load(None, recipe).stages})
            setup.farm_models(own.settings.home, ["pull", *models], quiet=True)
            with demo.running(own):
                yield own, _cores(_idle_node(own)), True
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _idle_node(farm: Farm) -> NodeReport:
    report = setup.ready_node(farm.settings)
    if report is None:
        raise RetryError("the farm is not up yet. See: farm status", code="broker")
    boxes = len(farm.broker.presence.alive())
    if boxes > 1:
        raise RejectError(
            f"{boxes} boxes lend their cores to this farm, and the limit is of this one alone. "
            "After `farm down` here, `farm bench` measures this box with a farm of its own."
        )
    at_work = sorted(farm.broker.leases.live())
    if at_work:
        raise RetryError(
            f"the farm is at work on {at_work[0]}, and would be measured together with it. "
            f"Wait for it: farm wait {at_work[0]}",
            code="busy",
        )
    return report


def _cores(report: NodeReport) -> tuple[int, ...]:
    return tuple(core for slot in report.slots for core in slot.cores)


def _measured(farm: Farm, wish: Wish, cores: tuple[int, ...], temporary: bool, say: Say) -> Outcome:
    with _photos(farm, wish) as (files, folder):
        say("Warming up …")
        few = linked(files, folder / "few", 16 * len(cores))
        job = _through(farm, folder / "few", wish).job
        model = only_model(job.recipe)
        path = model_file(farm.home.models, model)
        spec = farm.home.models.manifest(model.name, model.version).input
        images = wish.images or _images(limit_rate(few, path, spec, cores))
        many = linked(files, folder / "many", images)
        _through(farm, folder / "many", wish)  # the farm now knows how fast it is
        say(f"{images} pictures a round, {wish.rounds} rounds: the limit and the farm by turns")
        rates: dict[str, list[float]] = {"limit": [], "farm": []}
        for number, values in in_turn({
            "limit": lambda: limit_rate(many, path, spec, cores),
            "farm": lambda: _through(farm, folder / "many", wish).images_per_s,
        }, wish.rounds):  # fmt: skip
            for name, value in values.items():
                rates[name].append(value)
            say(f"round {number + 1}: limit {values['limit']:.4g}, farm {values['farm']:.4g} a s")
        limit, through = (Rounds(tuple(rates[name])) for name in ("limit", "farm"))
        steps = _steps(farm, job, files, cores[0])
        steps["queue"] = 1000 * len(cores) / through.median - sum(steps.values())
        return Outcome(str(model), temporary, cores, images, limit, through, steps)


def _images(rate: float) -> int:
    """For about `ROUND_S`, in whole batches."""
    return min(_MOST_IMAGES, max(64, round(rate * ROUND_S / 8) * 8))


def _through(farm: Farm, folder: Path, wish: Wish) -> Timed:
    """One job through the farm; its folder in the home goes when it has ended."""
    timed = through_farm(farm, folder, wish.recipe, _TIMEOUT_S)
    place = farm.home.jobs.path(timed.job.job_id)
    hidden = place.with_name(f".new-{place.name}")  # as a draft: nobody takes it for a job
    with storage_errors(place):
        place.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)
    return timed


@contextmanager
def _photos(farm: Farm, wish: Wish) -> Iterator[tuple[list[Path], Path]]:
    """JPEG files of a camera's size in a new folder of the home, which goes afterwards."""
    folder = farm.settings.home / f"bench-{os.getpid()}-{time.time_ns():x}"
    try:
        if wish.photos is None:
            found = sample_photos(farm.settings.home)
            files = enlarged(found, folder / "distinct", FULL_HD, _DISTINCT)
        else:
            files = _copied(_spread(wish.photos), folder / "distinct")
        yield files, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _spread(place: Path) -> list[Path]:
    """A few JPEG files at or below a place, from all over it. Raises RejectError."""
    with storage_errors(place):
        below = sorted(place.rglob("*")) if place.is_dir() else [place]
    found = [path for path in below if path.suffix.lower() in (".jpg", ".jpeg") and path.is_file()]
    if not found:
        raise RejectError(f"{place}: holds no JPEG files, and the limit reads no others")
    return found[:: -(-len(found) // _DISTINCT)]


def _copied(photos: Sequence[Path], folder: Path) -> list[Path]:
    """Their content under names of our own, so that they can be linked to many more."""
    with storage_errors(folder):
        folder.mkdir(parents=True)
        targets = [folder / f"{n:03d}.jpg" for n in range(len(photos))]
        for photo, target in zip(photos, targets, strict=True):
            shutil.copyfile(photo, target)
    return targets


def _steps(farm: Farm, job: Job, files: Sequence[Path], core: int) -> dict[str, float]:
    settings = farm.settings
    tuning = tuning_for(settings.state_dir)
    load = model_loader(farm.home.models, settings.local_models, 1, tuning)
    model = load(only_model(job.recipe))
    scratch = files[0].parent.parent / "published"
    scratch.mkdir()
    with pinned(core):
        costs = [step_costs(files, model, job.recipe, scratch) for _ in range(4)][1:]
    return {step: Rounds(tuple(each[step] for each in costs)).median for step in costs[0]}
