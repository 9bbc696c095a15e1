"""Images a second of each way to run the same photos, by turns, and what the farm's image costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import psutil

from book import Book
from farmyard import CORES
from ground import RECIPES, Ground, opened, settings_of
from nasfarm.api import Farm
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm_workers.bench.rates import through_farm
from nasfarm_workers.bench.rounds import in_turn, ratios, there_and_back
from nasfarm_workers.bench.stages import STEPS, pinned, step_costs
from nasfarm_workers.runtime.session import open_session
from nasfarm_workers.runtime.session_cache import OpenModel

OTHERS = ("limit", "naive", "article")


def rates(ground: Ground, book: Book, model: str) -> None:
    """`farm/limit`, `farm/naive`, `farm/article`, the steps' costs and the broker's share."""
    steps = [f"{step}_ms {model}" for step in (*STEPS, "queue")]
    keys = {f"farm/{other} {model}": other for other in OTHERS}
    broker = ["broker_cpu_share"] if model == "nanodet-g" else []
    if not book.wants(*keys, *steps, *broker):
        return
    folder = ground.crowd(ground.full_hd, "half", ground.images // 2)  # each is run twice a round
    watched = _Broker(ground)
    ways: dict[str, Callable[[], float]] = {
        "farm": lambda: watched.during(partial(ground.through, model, folder)),
        "limit": partial(ground.limit, model, folder),
        "naive": partial(_script, ground, model, folder, "naive.py"),
        "article": partial(_script, ground, model, folder, "article.py"),
    }
    wanted = {"farm"} | {other for key, other in keys.items() if book.wants(key)}
    # Opens the model in every slot, and the farm learns how fast it goes.
    ground.through(model, ground.crowd(ground.full_hd, "few", ground.few))
    watched.shares.clear()
    pair = {way: ways[way] for way in ("farm", "limit") if way in wanted}
    rest = {way: ways[way] for way in ("naive", "article") if way in wanted}
    found: dict[str, list[float]] = {way: [] for way in (*pair, *rest)}
    for number, values in there_and_back(pair, ground.rounds):
        note(
            found, {**values, **{way: rest[way]() for way in rest}}, f"{model}, round {number + 1}"
        )
    for key, other in keys.items():
        if other in found:
            book.keep("ratios", key, ratios(found["farm"], found[other]))
    for way, measured in found.items():
        book.figure(f"{way}_images_per_s {model}", measured)
    for key in broker:
        book.figure(key, watched.shares)
    if book.wants(*steps):
        _steps(ground, book, model, statistics.median(found["farm"]))


def by_turns(
    ways: dict[str, Callable[[], float]], rounds: int, title: str
) -> dict[str, list[float]]:
    """Images a second of each way, a value a round; every round is told."""
    found: dict[str, list[float]] = {way: [] for way in ways}
    for number, values in in_turn(ways, rounds):
        note(found, values, f"{title}, round {number + 1}")
    return found


def note(found: dict[str, list[float]], values: Mapping[str, float], title: str) -> None:
    """Tell and keep the values of a round."""
    said = ", ".join(f"{way} {rate:.4g}" for way, rate in values.items())
    print(f"  {title}, images/s: {said}", flush=True)
    for way, rate in values.items():
        found[way].append(rate)


def _script(ground: Ground, model: str, folder: Path, name: str) -> float:
    spec = ground.manifest(model).input
    return ground.script(
        name, ground.file(model, "fp32"), folder, ground.few, spec.channels, spec.width, spec.height
    )


def _steps(ground: Ground, book: Book, model: str, farm_rate: float) -> None:
    recipe, opened_model = ready(ground, model)
    scratch = ground.yard().home / "published"
    scratch.mkdir(exist_ok=True)
    with pinned(CORES[0]):
        costs = [
            step_costs(ground.full_hd, opened_model, recipe, scratch)
            for _ in range(ground.rounds + 1)
        ][1:]
    for step in STEPS:
        book.figure(f"{step}_ms {model}", [cost[step] for cost in costs])
    whole = 1000 * len(CORES) / farm_rate
    book.figure(f"queue_ms {model}", [whole - sum(cost.values()) for cost in costs])


def ready(ground: Ground, model: str) -> tuple[ResolvedRecipe, OpenModel]:
    """The recipe as jobs have it, and its model open as the slots have it."""
    folder = ground.crowd(ground.full_hd[:1], "one", 1)
    job = through_farm(ground.farm, folder, RECIPES[model], 60).job
    manifest = ground.manifest(model)
    labels = ground.farm.home.models.labels(manifest.name, manifest.version)
    session = open_session(ground.file(model), 1)
    return job.recipe, OpenModel(manifest, labels, session, manifest.batch)


class _Broker:
    """The broker's part of the machine's time while something runs, 0..1."""

    def __init__(self, ground: Ground) -> None:
        self._process = psutil.Process(ground.yard().broker_pid())
        self.shares: list[float] = []

    def during(self, act: Callable[[], float]) -> float:
        begun, before = time.perf_counter(), self._cpu_s()
        value = act()
        used, seconds = self._cpu_s() - before, time.perf_counter() - begun
        self.shares.append(used / (seconds * len(CORES)))
        return value

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def small_jobs(ground: Ground, book: Book) -> None:
    """`job64_extra_s` and `single_p50_s`: what it costs to hand in little and to wait for it."""
    model = "nanodet-g"
    if book.wants("job64_extra_s"):
        folder = ground.crowd(ground.full_hd, "sixty-four", 64)
        ground.through(model, folder)
        extra = []
        measures = {
            "farm": lambda: 64 / ground.through(model, folder),
            "limit": lambda: 64 / ground.limit(model, folder),
        }
        for _, values in in_turn(measures, ground.rounds):
            extra.append(values["farm"] - values["limit"])
        book.figure("job64_extra_s", extra)
    if book.wants("single_p50_s", "single_inference_s"):
        folder = ground.crowd(ground.full_hd[:1], "one", 1)
        alone = [1 / ground.through(model, folder) for _ in range(6 * ground.rounds)]
        book.figure("single_p50_s", [_p50(alone[n :: ground.rounds]) for n in range(ground.rounds)])
        book.figure("single_inference_s", _inference_s(ground, model))


def _p50(seconds: list[float]) -> float:
    return statistics.median(seconds)


def _inference_s(ground: Ground, model: str) -> list[float]:
    """Read, decode, preprocess, session and head of one image alone."""
    recipe, opened_model = ready(ground, model)
    with pinned(CORES[0]):
        costs = [
            step_costs(ground.full_hd[:1], opened_model, recipe, ground.folder)
            for _ in range(ground.rounds + 1)
        ][1:]
    return [sum(cost[step] for step in STEPS[:-1]) / 1000 for cost in costs]


def slots(ground: Ground, book: Book) -> None:
    """`slots2/slots1`: a farm of two slots against one of one, on the same photos."""
    if book.wants("slots2/slots1") and len(CORES) > 1:
        pair = ({"FARM_SLOTS": "2"}, {"FARM_SLOTS": "1"})
        _pair(ground, book, "slots2/slots1", pair, tune=False)


def tuned(ground: Ground, book: Book) -> None:
    """`tuned/default`: the same farm after `farm tune`, against one that was never tuned."""
    if book.wants("tuned/default"):
        _pair(ground, book, "tuned/default", ({}, {}), tune=True)


def _pair(
    ground: Ground, book: Book, key: str, settings: tuple[dict[str, str], dict[str, str]], *,
    tune: bool,
) -> None:  # fmt: skip
    model, folders, farms = "nanodet-g", {}, {}
    for name, setting in zip(key.split("/"), settings, strict=True):
        yard = ground.yard(name, setting)
        if tune and name == "tuned":
            print(yard.ok("tune", model, "--seconds", 60, timeout_s=240).out, flush=True)
            yard.ok("down")
            yard.up()
        # Long enough that a job's beginning and end, which no slot shares, hardly count.
        folders[name] = ground.crowd(ground.full_hd, "full-hd", ground.images // 4, name)
        farms[name] = opened(yard)

    def rate(name: str, farm: Farm) -> float:
        with settings_of(ground.yards[name]):
            return ground.through(model, folders[name], farm)

    ways = {name: partial(rate, name, farm) for name, farm in farms.items()}
    for way in ways.values():
        way()  # opens the models
    above, below = by_turns(ways, ground.rounds, key).values()
    book.keep("ratios", key, ratios(above, below))
    for name in ways:  # forgotten last: whoever breaks off meanwhile leaves no farm behind
        ground.yards[name].close()
        del ground.yards[name]
