"""What one deadly image costs at most: attempts and seconds, measured on top of a job without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_poison import IMAGE_TIMEOUT_S, photos, poisoned

from farmyard import Farmyard

LEASE_S = 30
"""The default. A loaded machine may notice a death after 8 s; where a lease of 6 s has run out by
then, nobody knows what the process died of, and the attempt blames nobody."""

DEADLY = 10
IMAGES = 512


@pytest.fixture
def farm(tmp_path: Path, cached_models: None) -> Iterator[Farmyard]:
    with poisoned(tmp_path, LEASE_S) as yard:
        yield yard


def seconds_of(farm: Farmyard, *more: str) -> float:
    begun = time.monotonic()
    answer = farm.submit(farm.home / "photos", "--recipe", "many", *more, timeout_s=400)
    assert answer["ok"] + answer["errors"] == IMAGES
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("deed", "most_attempts"),
    [
        # Two as it is, two image by image, and the one that goes through.
        pytest.param("segv", 5, id="SIGSEGV"),
        pytest.param("loop", 5, id="time-out"),
        # Two as it is, eight image by image, and the one that goes through.
        pytest.param("kill", 11, id="SIGKILL of unknown cause"),
    ],
)
def test_the_worst_case_of_a_deadly_image_is_bounded(
    farm: Farmyard, deed: str, most_attempts: int
) -> None:
    folder = photos(farm, {DEADLY: deed})
    deadly = folder / f"{DEADLY:04d}.jpg"
    content = deadly.read_bytes()
    deadly.write_bytes(content.partition(b"POISON:")[0])
    without_s = seconds_of(farm)
    deadly.write_bytes(content)
    with_s = seconds_of(farm)
    [told] = farm.ok("failed", "--json").json
    print(
        f"{deed}: {told['attempts']} attempts, {with_s:.1f} s instead of {without_s:.1f} s "
        f"(image_timeout_s {IMAGE_TIMEOUT_S})"
    )
    assert told["i"] == DEADLY
    assert told["attempts"] <= most_attempts
    # Each lost attempt: up to a time-out, a new process with its model, and a chunk's other images.
    assert with_s - without_s < most_attempts * (IMAGE_TIMEOUT_S + 10)
