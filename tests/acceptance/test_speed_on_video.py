"""How fast a video of people goes through a farm, and how much of that is the models' own time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from farmyard import CORES, Farmyard
from nasfarm.core import wire
from nasfarm.core.items import Found, Item
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.intake.videos import frames
from nasfarm_workers.bench.rounds import ratios, there_and_back
from nasfarm_workers.bench.stages import pinned
from nasfarm_workers.pixels import Picture
from nasfarm_workers.recipes.lines import lines_of
from nasfarm_workers.recipes.reduces import reduced_by
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.frames import Videos
from nasfarm_workers.runtime.read import open_file
from nasfarm_workers.runtime.session import Session
from needs import needs
from stages import Stages
from vtest import FRAMES, VTEST, needs_vtest

pytestmark = pytest.mark.alone

RECIPES = ["person-detect", "people-count", "vehicle-count", "heatmap"]
ROUNDS = 15

Tensor = NDArray[np.float32]


def test_a_video_goes_through_two_cores_at_24_frames_a_second(running_farm: Farmyard) -> None:
    needs_vtest()
    needs(len(CORES) >= 2, "two cores are promised something, and here is one")
    running_farm.ok("roots", "add", "films", VTEST.parent)
    rates = []
    for _ in range(2):  # the first opens the models
        begun = time.monotonic()
        answer = running_farm.submit(VTEST, "--recipe", "people-count", "--again", timeout_s=300)
        rates.append(FRAMES / (time.monotonic() - begun))
        assert (answer["ok"], answer["errors"]) == (FRAMES, 0)
    said = ", ".join(f"{rate:.1f}" for rate in rates)
    print(f"{said} frames/s from the command to the results, on {len(CORES)} cores")
    assert max(rates) >= 24


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_nearly_as_fast_as_its_models_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached_models: None, name: str
) -> None:
    """On the same decoded frames: from them to what the reduce says, against sessions alone."""
    needs_vtest()
    stages = Stages(tmp_path)
    recipe = stages.recipe(name)
    items, pictures = decoded(16, recipe, stages)
    eaten = tensors(monkeypatch, lambda: stages.find(pictures, recipe))

    def whole() -> None:
        found = stages.find(pictures, recipe)
        lines = lines_of(items, pictures, found, recipe)
        records = (json.loads(wire.line_bytes(line, row)) for row, line in enumerate(lines))
        reduced_by(recipe, records)

    def bare() -> None:
        for session, tensor in eaten:
            session.run(tensor)

    ways = {"recipe": lambda: per_s(whole), "models": lambda: per_s(bare)}
    with pinned(CORES[0]):
        whole()
        bare()
        rounds = [values for _, values in there_and_back(ways, ROUNDS)]
    measured = {way: [len(pictures) * values[way] for values in rounds] for way in ways}
    share = ratios(measured["recipe"], measured["models"])
    fastest, bare_fastest = (max(measured[way]) for way in ways)
    each = ", ".join(f"{one:.3f}" for one in share.values)
    print(
        f"{name}: {fastest:.1f} frames a second of one core, its models {bare_fastest:.1f}: {each}"
    )
    assert share.median >= 0.9


def decoded(count: int, recipe: ResolvedRecipe, stages: Stages) -> tuple[list[Item], list[Picture]]:
    """The first frames of vtest.avi as a worker has them."""
    status = VTEST.stat()
    film = Found(f"films:{VTEST.name}", status.st_size, status.st_mtime_ns)
    items = [
        Item(i, one.item, one.bytes, one.mtime_ns, one.frame)
        for i, one in enumerate(islice(frames(film, str(VTEST)), count))
    ]
    roots = {"films": VTEST.parent}
    videos = Videos(lambda item: open_file(item, roots, lambda _root: True), lambda: None)
    enough = stages.enough(recipe)
    seen = [decode(videos.take(item), item.name, recipe.max_side, enough=enough) for item in items]
    videos.close()
    pictures = [one for one in seen if isinstance(one, Picture)]
    assert len(pictures) == count
    return items, pictures


def tensors(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]
) -> list[tuple[Session, Tensor]]:
    """What the sessions are given while `act` runs, and which of them."""
    eaten: list[tuple[Session, Tensor]] = []
    plain = Session.run

    def remembered(session: Session, tensor: Tensor) -> Sequence[Tensor]:
        eaten.append((session, tensor.copy()))
        return plain(session, tensor)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", remembered)
        act()
    return eaten


def per_s(act: Callable[[], object]) -> float:
    """How often in a second of this process's own: what else runs here does not count."""
    begun = time.process_time()
    act()
    return 1 / (time.process_time() - begun)
