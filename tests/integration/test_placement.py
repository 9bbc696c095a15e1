"""Every worker process stays on its own cores, with no more inference threads than it has cores."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from farmyard import CORES, Farmyard
from needs import needs, needs_tool


@pytest.fixture(scope="module")
def busy_farm(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Iterator[Farmyard]:
    """A farm that has run a model in every slot."""
    yard = Farmyard(tmp_path_factory.mktemp("placement"))
    try:
        yard.up()
        run_in_every_slot(yard)
        yield yard
    finally:
        yard.close()


def run_in_every_slot(yard: Farmyard) -> None:
    """Jobs of a few photos until each slot's process has opened the model."""
    photos = yard.home / "photos"
    photos.mkdir(exist_ok=True)
    for file in yard.ok("models", "show", "sample-photos", "--json").json["files"]:
        (photos / Path(file).name).write_bytes(Path(file).read_bytes())
    for _ in range(5):
        assert yard.submit(photos, "--recipe", "detect", "--again")["state"] == "done"
        logs = [yard.state / "logs" / f"slot{n}.jsonl" for n in range(len(slots(yard)))]
        if all(log.exists() and "chunk_done" in log.read_text() for log in logs):
            return
    raise AssertionError("a slot never got a chunk")


def slots(yard: Farmyard) -> Any:
    return yard.nodes()[0]["slots"]


def affinity(pid: int) -> str:
    """What `taskset -p` says of a process, as the list of its cores."""
    taskset = needs_tool("taskset", "util-linux")
    done = subprocess.run([taskset, "-cp", str(pid)], capture_output=True, text=True, check=True)
    return done.stdout.strip().rpartition(": ")[2]


def test_there_is_a_slot_for_every_core_and_none_shares_one(busy_farm: Farmyard) -> None:
    cores = [core for slot in slots(busy_farm) for core in slot["cores"]]
    assert sorted(cores) == CORES


def test_a_worker_and_its_pool_child_stay_on_the_cores_of_their_slot(busy_farm: Farmyard) -> None:
    for slot in slots(busy_farm):
        wanted = ",".join(map(str, slot["cores"]))
        parent = psutil.Process(slot["pid"])
        assert [affinity(parent.pid), *(affinity(child.pid) for child in parent.children())] == [
            wanted,
            wanted,
        ]


def test_inference_runs_in_as_many_threads_as_the_slot_has_cores(busy_farm: Farmyard) -> None:
    for slot in slots(busy_farm):
        [child] = psutil.Process(slot["pid"]).children()
        assert child.num_threads() == len(slot["cores"]) == 1


def test_a_slot_of_two_cores_runs_two_threads_and_a_smaller_affinity_is_respected(
    tmp_path: Path, cached_models: None
) -> None:
    needs(len(CORES) >= 2, "this machine has one core")
    yard = Farmyard(tmp_path, {"FARM_CORES_PER_SLOT": "2"})
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, set(CORES[:2]))  # children inherit it, like a container's cpuset
        yard.up()
        run_in_every_slot(yard)
        [slot] = slots(yard)
        [child] = psutil.Process(slot["pid"]).children()
        assert slot["cores"] == CORES[:2]
        assert child.num_threads() == 2
    finally:
        os.sched_setaffinity(0, before)
        yard.close()


def test_more_slots_than_cores_are_refused_with_the_setting_to_change(
    farm_home: Farmyard,
) -> None:
    farm_home.settings = {"FARM_SLOTS": str(len(CORES) + 1)}
    ran = farm_home.run("up", "--detach")
    assert ran.code == 2
    assert "'slots'" in ran.err
