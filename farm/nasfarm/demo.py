"""Sample photos through a farm of their own, from nothing to results; leaves nothing running."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nasfarm import config, follow, setup
from nasfarm.api import Farm
from nasfarm.core.jobs import Progress
from nasfarm.core.requests import Request
from nasfarm.keep import Beside
from nasfarm.nodes.process import spawn, stop

KEPT = 3
"""Demos whose results stay on disk; older ones make room."""

RECIPE_OF = {"page.png": "ocr", "text.png": ""}
"""The photo with something to read, and one of formulas, for neither; the others are looked at."""

Show = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a demo brought: a line a picture, and where its results and drawn pictures lie."""

    folder: str
    slots: int
    images_per_s: dict[str, float | None]
    results: dict[str, str]
    pictures: list[str]
    lines: list[dict[str, Any]]


def run_demo(say: Callable[[str], None], show: Show, timeout_s: float) -> Shown:
    """Run the demo. Raises what `farm init`, `up`, `submit` and `wait` raise."""
    folder = new_folder()
    with own_environment(folder):
        farm = Farm(folder / "home")
        say(f"Setting up a farm for trying out in {folder}")
        setup.make_home(farm.settings)
        setup.pull_models(farm.settings.home, quiet=False)
        bring_photos(farm.settings)
        with running(farm) as slots:
            say(f"The farm is up: {slots} worker processes, each pinned to its own cores")
            say("Looking for things in photos, then for words …")
            ends = {recipe: run(farm, recipe, show, timeout_s) for recipe in ("detect", "ocr")}
        return shown(farm, slots, ends)


def new_folder() -> Path:
    """A folder for this demo beside the user's state; all but the last few earlier ones go."""
    base = setup.user_folder("XDG_STATE_HOME", ".local/state") / "nasfarm-demo"
    base.mkdir(parents=True, exist_ok=True)
    earlier = sorted(path for path in base.iterdir() if not setup.is_running(path / "state"))
    for old in earlier[: -(KEPT - 1)]:
        shutil.rmtree(old, ignore_errors=True)
    folder = base / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    folder.mkdir()
    return folder


@contextmanager
def own_environment(folder: Path) -> Iterator[None]:
    """This process and its children know no other farm than the demo's."""
    before = {name: value for name, value in os.environ.items() if name.startswith("FARM_")}
    for name in before:
        del os.environ[name]
    os.environ["FARM_STATE_DIR"] = str(folder / "state")
    try:
        yield
    finally:
        del os.environ["FARM_STATE_DIR"]
        os.environ.update(before)


def bring_photos(settings: config.Settings) -> None:
    """Copy the sample photos into the demo's home."""
    said = setup.farm_models(settings.home, ["show", "sample-photos", "--json"], quiet=True)
    for recipe in ("detect", "ocr"):
        (settings.home / "photos" / recipe).mkdir(parents=True)
    for photo in map(Path, json.loads(said)["files"]):
        recipe = RECIPE_OF.get(photo.name, "detect")
        if recipe:
            shutil.copy(photo, settings.home / "photos" / recipe)


@contextmanager
def running(farm: Farm) -> Iterator[int]:
    """A farm that runs as long as the block, and dies with this process; yields its slots."""
    settings = farm.settings
    settings.logs_folder.mkdir(parents=True, exist_ok=True)
    log_path = settings.logs_folder / "up.log"
    command = (sys.executable, "-m", "nasfarm", "--home", str(settings.home), "up")
    process = spawn([*command, *Beside(flower=False, page=False).left_out], log_path)
    try:
        yield len(setup.await_ready(settings, process, log_path, timeout_s=60).slots)
    finally:
        stop(process, grace_s=30)


def run(farm: Farm, recipe: str, show: Show, timeout_s: float) -> Progress:
    """One recipe over its photos, with every picture drawn."""
    folder = farm.settings.home / "photos" / recipe
    job_id = farm.request(Request((str(folder),), recipe, ("pictures=100",))).job_id
    return follow.wait(farm.job(job_id), farm.home, farm.broker, timeout_s, show)


def shown(farm: Farm, slots: int, ends: dict[str, Progress]) -> Shown:
    """What the finished jobs brought."""
    jobs = farm.home.jobs
    folders = {recipe: jobs.path(end.job_id) for recipe, end in ends.items()}
    drawn = (path for folder in folders.values() for path in sorted(folder.glob("pictures/*")))
    return Shown(
        folder=str(farm.settings.home.parent),
        slots=slots,
        images_per_s={recipe: end.images_per_s for recipe, end in ends.items()},
        results={recipe: str(folder / "results.jsonl") for recipe, folder in folders.items()},
        pictures=[str(path) for path in drawn],
        lines=[line for end in ends.values() for line in farm.lines(farm.job(end.job_id))],
    )
