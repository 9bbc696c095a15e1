"""The motion gate: a camera's noise does not open it, and whoever comes into the picture does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from nasfarm.core import wire
from nasfarm.core.findings import Finding
from nasfarm.core.items import Frame, Item
from nasfarm.core.lines import Fault
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm_workers.pixels import RGB, Picture, Unchanged
from nasfarm_workers.recipes.gate import gated
from nasfarm_workers.recipes.lines import lines_of

WIDTH, HEIGHT = 416, 312
RECIPE = ResolvedRecipe("any", "detect", (), {"gate": "motion"}, 32, 0)
UNGATED = ResolvedRecipe("any", "detect", (), {"gate": "none"}, 32, 0)

Frames = Callable[..., list[Picture]]


def yard() -> RGB:
    """A yard as a camera sees it: walls, edges, gravel, a bright and a dark part."""
    chance = np.random.default_rng(3)
    coarse = chance.integers(40, 200, (7, 9, 3), dtype=np.uint8)
    pixels = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    pixels = pixels.astype(np.int16)
    pixels[HEIGHT // 2 :] += chance.integers(-12, 13, (HEIGHT - HEIGHT // 2, WIDTH, 1))
    for x in range(20, WIDTH, 60):
        pixels[:150, x : x + 3] = 20
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def filmed() -> Frames:
    """Scenes as a sensor gives them: each with noise of its own of so many greys."""
    chance = np.random.default_rng(4)
    grain = chance.normal(0, 1, (2 * HEIGHT, 2 * WIDTH, 3)).astype(np.float32)

    def film(scenes: Sequence[RGB], noise: float) -> list[Picture]:
        pictures = []
        for scene in scenes:
            y, x = chance.integers(0, HEIGHT), chance.integers(0, WIDTH)
            noisy = scene + noise * grain[y : y + HEIGHT, x : x + WIDTH]
            pictures.append(picture(np.clip(noisy, 0, 255).astype(np.uint8)))
        return pictures

    return film


def picture(pixels: NDArray[np.uint8]) -> Picture:
    return Picture(pixels, 2 * pixels.shape[1], 2 * pixels.shape[0])


def with_somebody(scene: RGB, x: int, width: int, height: int, contrast: int) -> RGB:
    """The scene with somebody who is so much brighter or darker than what stands behind."""
    seen = scene.astype(np.int16)
    feet = 250
    behind = seen[feet - height : feet, x : x + width]
    behind += contrast if behind.mean() < 128 else -contrast
    return np.clip(seen, 0, 255).astype(np.uint8)


def frames(count: int, video: str = "cams:gate.mp4") -> list[Item]:
    return [Item(n, video, 1, 1, Frame(n, n / 10)) for n in range(count)]


def run(pictures: Sequence[Picture | Fault], items: Sequence[Item] = ()) -> list[int]:
    """The places of the pictures that are run."""
    passed = gated(items or frames(len(pictures)), pictures, RECIPE)
    return [place for place, one in enumerate(passed) if isinstance(one, Picture)]


@pytest.mark.parametrize("noise", [0, 2, 5, 10])
def test_a_scene_where_nothing_moves_is_run_each_32nd_frame_however_noisy_the_camera(
    filmed: Frames, noise: float
) -> None:
    assert run(filmed([yard()] * 70, noise)) == [0, 32, 64]


@pytest.mark.parametrize("noise", [0, 2, 5])
@pytest.mark.parametrize(
    ("width", "height", "contrast"),
    [
        pytest.param(6, 16, 20, id="far away, dressed like the wall"),
        pytest.param(8, 22, 15, id="hardly to be seen"),
        pytest.param(8, 22, 60, id="far away"),
        pytest.param(40, 110, 10, id="near, dressed like the wall"),
    ],
)
def test_whoever_comes_into_the_picture_or_leaves_it_is_run_at_once(
    filmed: Frames, noise: float, width: int, height: int, contrast: int
) -> None:
    for x in (33, 200, 340):
        somebody = with_somebody(yard(), x, width, height, contrast)
        assert run(filmed([yard()] * 5 + [somebody] * 5 + [yard()] * 5, noise)) == [0, 5, 10]


def test_whoever_creeps_is_never_far_from_where_the_last_run_saw_them(filmed: Frames) -> None:
    """Half a pixel a frame: no frame differs much from the one before."""
    at = [30 + n // 2 for n in range(64)]
    ran = run(filmed([with_somebody(yard(), x, 14, 40, 40) for x in at], 2))
    lag = [at[n] - at[max(run for run in ran if run <= n)] for n in range(len(at))]
    assert max(lag) <= 4, "of 14: such boxes still cover each other by half"
    assert len(ran) < len(at)


def test_when_the_light_changes_everything_is_run(filmed: Frames) -> None:
    lights = [np.clip(yard().astype(np.int16) + 4 * n, 0, 255).astype(np.uint8) for n in range(5)]
    assert run(filmed(lights, 2)) == [0, 1, 2, 3, 4]


def test_each_video_and_each_folder_is_a_camera_of_its_own(filmed: Frames) -> None:
    front, back = filmed([yard()] * 4, 2), filmed([yard()[:, ::-1]] * 4, 2)
    turns = [one for pair in zip(front, back, strict=True) for one in pair]
    names = ["cams:front/%d.jpg", "cams:back/%d.jpg"] * 4
    photos = [Item(n, name % n, 1, 1) for n, name in enumerate(names)]
    assert run(turns, photos) == [0, 1]
    in_one = [Item(n, f"cams:{n}.jpg", 1, 1) for n in range(8)]
    assert run(turns, in_one) == list(range(8)), "side by side they differ"
    assert run(front, [*frames(2, "cams:a.mp4"), *frames(2, "cams:b.mp4")]) == [0, 2]


def test_a_picture_of_another_size_inherits_nothing() -> None:
    scene = yard()
    larger = Picture(scene, 4 * WIDTH, 4 * HEIGHT)
    assert run([picture(scene), larger, picture(scene[:200]), picture(scene)]) == [0, 1, 2, 3]


def test_what_cannot_be_read_stays_a_fault_and_what_follows_inherits_from_before_it() -> None:
    fault = Fault("decode", "broken")
    seen = [fault, picture(yard()), fault, picture(yard())]
    passed = gated(frames(4), seen, RECIPE)
    assert passed[:3] == seen[:3]
    assert isinstance(passed[3], Unchanged)
    assert (passed[3].i, passed[3].picture) == (1, seen[3])


def test_without_a_gate_every_picture_is_run() -> None:
    pictures = [picture(yard())] * 3
    assert gated(frames(3), pictures, UNGATED) == pictures


def test_an_unchanged_frame_has_the_result_of_the_one_it_shows_and_says_so() -> None:
    """Its own number, time and name; the other's findings."""
    items = [Item(n, "cams:gate.mp4", 1, 10**9, Frame(n, n / 10)) for n in (7, 8, 9)]
    seen = gated(items, [picture(yard()), Fault("decode", "broken"), picture(yard())], RECIPE)
    somebody = (Finding((1.0, 2.0, 3.0, 4.0), 0.91, 0, "person"),)
    lines = lines_of(items, seen, [somebody], RECIPE)
    first, broken, last = (json.loads(wire.line_bytes(line, 0)) for line in lines)
    assert (first["status"], broken["status"], last["status"]) == ("ok", "error", "ok")
    assert "inherited" not in first and "inherited" not in broken
    own = {"i": 9, "frame": {"number": 9, "seconds": 0.9}, "inherited": 7}
    assert last == {**first, **own, "taken_at": "1970-01-01T00:00:01.900+00:00"}
    assert last["detections"][0]["label"] == "person"
