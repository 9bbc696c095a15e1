"""`farm bench` on a farm that runs: it measures, and leaves it as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from farmyard import CORES, Farmyard

pytestmark = pytest.mark.short


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Iterator[Farmyard]:
    yard = Farmyard(tmp_path_factory.mktemp("benched"))
    try:
        yard.up()
        yield yard
    finally:
        yard.close()


def contents(yard: Farmyard) -> set[str]:
    return {str(path) for folder in (yard.home, yard.home / "jobs") for path in folder.iterdir()}


@pytest.fixture(scope="module")
def measured(running: Farmyard) -> dict[str, Any]:
    """What it printed, and what had come into the home since."""
    before = contents(running)
    ran = running.run("bench", "--images", 16, "--rounds", 1, "--json")
    assert ran.code == 0, ran.err
    return {**json.loads(ran.out), "left": contents(running) - before}


def test_a_running_farm_is_measured_against_the_limit(measured: dict[str, Any]) -> None:
    figures = measured["figures"]
    ratio = figures["farm_images_per_s"] / figures["limit_images_per_s"]
    assert measured["ratios"] == {"farm/limit nanodet-g": pytest.approx(ratio, abs=0.01)}
    assert measured["cores"] == CORES
    assert measured["temporary_farm"] is False


def test_every_step_has_its_cost(measured: dict[str, Any]) -> None:
    steps = measured["steps_ms"]
    assert list(steps) == [
        "read", "decode", "preprocess", "session", "head", "publish", "queue",
    ]  # fmt: skip
    assert min(cost for step, cost in steps.items() if step != "queue") > 0
    assert steps["session"] > steps["decode"]


def test_nothing_of_it_stays_in_the_home(measured: dict[str, Any]) -> None:
    assert measured["left"] == set()
