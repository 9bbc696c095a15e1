"""An image that ends, hangs or bloats its worker costs itself only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from farmyard import Farmyard, wait_until

POISON = Path(__file__).parent / "poison"
IMAGES, IN_A_CHUNK = 512, 64
IMAGE_TIMEOUT_S = 3
CAP_MB = 700

RECIPE = """
name: many
help: Detects like detect, in chunks of 64.
stages:
  - {name: detect, model: nanodet-g, of: image}
params:
  - {name: score, type: number, default: 0.35, least: 0.05, most: 1, help: Least score.}
map: detect
chunk_items: 64
max_side: 416
"""


@pytest.fixture
def farm(tmp_path: Path, cached_models: None) -> Iterator[Farmyard]:
    with poisoned(tmp_path, lease_s=6) as yard:
        yield yard


@contextmanager
def poisoned(folder: Path, lease_s: float) -> Iterator[Farmyard]:
    """A farm whose workers meet a bug in marked photos, and know the recipe `many`."""
    settings = {
        "FARM_LEASE_S": str(lease_s),
        "FARM_IMAGE_TIMEOUT_S": str(IMAGE_TIMEOUT_S),
        "FARM_SLOT_MEMORY_MB": str(CAP_MB),
        "PYTHONPATH": os.pathsep.join([str(POISON), os.environ.get("PYTHONPATH", "")]),
    }
    yard = Farmyard(folder, settings)
    try:
        yard.ok("init")
        (yard.home / "recipes" / "many.yml").write_text(RECIPE)
        yard.up()
        yield yard
    finally:
        yard.close()


def photos(farm: Farmyard, deeds: dict[int, str]) -> Path:
    """A folder of small photos; those named in `deeds` are deadly."""
    folder = farm.home / "photos"
    folder.mkdir()
    plain = farm.folder / "plain.jpg"
    Image.effect_noise((64, 48), 60).convert("RGB").save(plain, "JPEG")
    for i in range(IMAGES):
        if i in deeds:
            content = plain.read_bytes() + b"POISON:" + deeds[i].encode()
            (folder / f"{i:04d}.jpg").write_bytes(content)
        else:
            os.link(plain, folder / f"{i:04d}.jpg")
    return folder


def run(farm: Farmyard, deeds: dict[int, str]) -> dict[int, dict[str, Any]]:
    """Item number → its line, of a job in which everything has one."""
    folder = photos(farm, deeds)
    answer = farm.submit(folder, "--recipe", "many", timeout_s=300)
    lines = farm.lines(answer["job_id"])
    sizes = chunk_sizes(farm, answer["job_id"])
    assert {sizes[i] for i in deeds} == {IN_A_CHUNK}, "a deadly image has few neighbours"
    assert [line["i"] for line in lines] == list(range(IMAGES))
    failed = {line["i"]: line for line in lines if line["status"] == "error"}
    print(f"deadly {sorted(deeds)}: failed {sorted(failed)}")
    assert sorted(failed) == sorted(deeds), "wrongly failed or wrongly good"
    return failed


def chunk_sizes(farm: Farmyard, job_id: str) -> dict[int, int]:
    """Item number → how many items its chunk holds at most."""
    plan = json.loads((farm.home / "jobs" / job_id / "job.json").read_text())["plan"]
    return {i: part["size"] for part in plan for i in range(part["start"], part["stop"])}


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        pytest.param("segv", "crashed", id="SIGSEGV"),
        pytest.param("abrt", "crashed", id="SIGABRT"),
        pytest.param("loop", "timeout", id="endless loop", marks=pytest.mark.short),
    ],
)
def test_one_deadly_image_in_a_chunk_of_64_costs_one_line(
    farm: Farmyard, deed: str, code: str
) -> None:
    failed = run(farm, {100: deed})
    assert failed[100]["error"]["code"] == code
    [told] = farm.ok("failed", "--json").json
    assert told["attempts"] >= 4
    assert told["node"] == farm.nodes()[0]["node"]


def test_an_image_that_hangs_in_native_code_is_ended_too(farm: Farmyard) -> None:
    assert run(farm, {7: "hang"})[7]["error"]["code"] == "timeout"


def test_an_image_that_eats_memory_costs_itself_and_the_slot_stays_under_its_cap(
    farm: Farmyard,
) -> None:
    failed = run(farm, {300: "eats"})
    assert failed[300]["error"]["code"] in ("crashed", "too_large")
    pids = farm.slot_pids()
    children = [child for pid in pids for child in psutil.Process(pid).children()]
    used = sum(child.memory_info().rss for child in children)
    assert used < CAP_MB * 2**20 * len(pids)


def test_several_kinds_in_one_chunk_cost_one_line_each(farm: Farmyard) -> None:
    deeds = {64: "segv", 65: "loop", 127: "abrt"}
    failed = run(farm, deeds)
    assert {i: line["error"]["code"] for i, line in failed.items()} == {
        64: "crashed",
        65: "timeout",
        127: "crashed",
    }


def test_an_image_that_gets_its_worker_killed_by_sigkill_is_given_up_in_the_end(
    farm: Farmyard,
) -> None:
    """Nobody knows why, so it takes ten attempts; no other image is blamed meanwhile."""
    assert run(farm, {10: "kill"})[10]["error"]["code"] == "crashed"


def test_the_farm_is_whole_after_it(farm: Farmyard) -> None:
    run(farm, {1: "segv"})
    wait_until(
        lambda: all(slot["state"] == "ready" for slot in farm.nodes()[0]["slots"]), 20, "a slot"
    )
