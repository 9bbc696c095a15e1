"""The motion gate on a minute in which nothing moves but the sensor's noise, and one of people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from farmyard import Farmyard
from films import film
from vtest import RATE, VTEST, needs_vtest

pytestmark = pytest.mark.alone

MINUTE = 60 * RATE
NOISE = 4.0
"""Greys: a surveillance camera's at day; each channel by itself."""

Box = Sequence[float]


def scenes(still: int) -> Iterator[NDArray[np.uint8]]:
    """A minute of one frame of vtest.avi, each time with other noise; then its first minute."""
    with av.open(str(VTEST)) as container:
        decoded = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        scene = next(pixels for number, pixels in enumerate(decoded) if number == still)
    chance = np.random.default_rng(7)
    height, width = scene.shape[:2]
    grain = chance.normal(0, NOISE, (2 * height, 2 * width, 3)).astype(np.float32)
    for _ in range(MINUTE):
        y, x = chance.integers(0, height), chance.integers(0, width)
        noisy = scene + grain[y : y + height, x : x + width]
        yield np.clip(noisy.round(), 0, 255).astype(np.uint8)
    with av.open(str(VTEST)) as container:
        for _, frame in zip(range(MINUTE), container.decode(video=0), strict=False):
            yield frame.to_ndarray(format="rgb24")


def filmed(path: Path, count: int, still: int = 0) -> Path:
    """The first `count` of the scenes as a camera would store them."""
    coming = scenes(still)
    first = next(coming)
    return film(
        path, count, RATE, codec="libx264", keyframe_each=2 * RATE,
        options={"crf": "23", "preset": "veryfast"},
        shown=lambda number: next(coming) if number else first,
    )  # fmt: skip


def persons(line: dict[str, Any]) -> list[Box]:
    return [found["box"] for found in line["detections"] if found["label"] == "person"]


def overlap(one: Box, other: Box) -> float:
    """What both cover, of what either does."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, wide) * max(0.0, high)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


def lost(without: list[Box], behind: list[Box]) -> int:
    """How many boxes have none of their own that covers them by half."""
    pairs = sorted(
        ((overlap(a, b), i, k) for i, a in enumerate(without) for k, b in enumerate(behind)),
        reverse=True,
    )
    found: dict[int, int] = {}
    for shared, i, k in pairs:
        if shared >= 0.5 and i not in found and k not in found.values():
            found[i] = k
    return len(without) - len(found)


@pytest.fixture
def farm(running_farm: Farmyard) -> Farmyard:
    needs_vtest()
    return running_farm


def run(farm: Farmyard, path: Path, gate: str) -> tuple[list[dict[str, Any]], float]:
    """The lines of a film, and frames a second of a core: what else runs here does not count."""
    sets = ("--recipe", "people-count", "--set", f"gate={gate}", "--again")
    begun = worked_s(farm)
    answer = farm.submit(path, *sets, timeout_s=500)
    assert (answer["state"], answer["errors"]) == ("done", 0)
    rate = answer["items"] / (worked_s(farm) - begun)
    print(f"{path.name}, gate={gate}: {answer['images_per_s']} frames/s, {rate:.1f} on one core")
    return farm.lines(answer["job_id"]), rate


def worked_s(farm: Farmyard) -> float:
    """What the workers have computed for so far."""
    parents = [psutil.Process(pid) for pid in farm.slot_pids()]
    workers = [one for parent in parents for one in (parent, *parent.children(recursive=True))]
    return sum(sum(one.cpu_times()[:2]) for one in workers)


def test_where_nothing_moves_the_gate_is_three_times_as_fast_and_it_loses_nobody(
    farm: Farmyard, tmp_path: Path
) -> None:
    both = filmed(tmp_path / "films" / "both.mp4", 2 * MINUTE)
    still = filmed(tmp_path / "films" / "still.mp4", MINUTE)
    farm.ok("roots", "add", "films", tmp_path / "films")
    without, _ = run(farm, both, "none")
    behind, _ = run(farm, both, "motion")
    seen = [len(persons(line)) for line in without]
    missed = [lost(persons(a), persons(b)) for a, b in zip(without, behind, strict=True)]
    inherited = ["inherited" in line for line in behind]
    for name, part in (("still", slice(0, MINUTE)), ("moving", slice(MINUTE, None))):
        print(f"{name}: {sum(inherited[part])} of {MINUTE} frames inherited, "
              f"{sum(missed[part])} of {sum(seen[part])} person-frames lost")  # fmt: skip
    assert sum(seen[MINUTE:]) > 3 * MINUTE, "vtest shows about five people"
    assert sum(missed) <= 0.02 * sum(seen)
    plain, gated = (run(farm, still, gate)[1] for gate in ("none", "motion"))
    assert gated >= 3 * plain
