"""Nodes that are paused, drained and told to go on by hand, in the middle of real jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from books import (
    NOTHING_WRONG,
    chunks_done,
    executions,
    finish,
    put_photos,
    records,
    time_of,
    with_slow_photos,
    workers,
)
from farmyard import CORES, Farmyard, kill9, wait_until
from needs import needs
from ownbroker import own_broker

LEASE_S = 300
"""A chunk that had to wait for its lease to run out would fail every test here."""

AT_ONCE_S, SOON_S = 1.5, 2.0


@pytest.fixture
def farm(tmp_path: Path, cached_models: None) -> Iterator[Farmyard]:
    box = Farmyard(
        tmp_path, {"FARM_LEASE_S": str(LEASE_S), "FARM_NODE": "nas", **with_slow_photos()}
    )
    try:
        box.up()
        yield box
    finally:
        box.close()


@contextmanager
def two_boxes(folder: Path) -> Iterator[tuple[Farmyard, Farmyard]]:
    """Two nodes of one slot each, `left` and `right`, on one home and a broker of their own."""
    needs(len(CORES) >= 2, "two boxes of one slot each want two cores")
    with own_broker(folder / "broker") as broker, ExitStack() as ending:
        settings = {"FARM_BROKER_URL": broker.url, "FARM_SLOTS": "1", "FARM_LEASE_S": str(LEASE_S)}
        boxes = []
        for name in ("left", "right"):
            box = Farmyard(
                folder / name, {**settings, "FARM_NODE": name, **with_slow_photos()},
                shared=folder / "home",
            )  # fmt: skip
            box.folder.mkdir()
            ending.callback(box.close)
            box.ok("init")
            box.up()
            boxes.append(box)
        yield boxes[0], boxes[1]


def begin(*boxes: Farmyard, count: int, slow_s: float) -> str:
    """A job of which each slot of these boxes runs a chunk; its id."""
    folder = put_photos(boxes[0], count, slow_s)
    job_id: str = boxes[0].ok("submit", folder, "--recipe", "detect", "--json").json["job_id"]
    for box in boxes:
        slots = len(workers(box))
        wait_until(lambda: len(executions(box, job_id=job_id)) >= slots, 60, "a slot is idle")  # noqa: B023
    return job_id


def seconds_after(since_s: float, found: list[dict[str, Any]]) -> list[float]:
    """When the records were written, in seconds after a moment."""
    return [time_of(record).timestamp() - since_s for record in found]


def node_of(farm: Farmyard) -> dict[str, Any]:
    [one] = [node for node in farm.nodes() if node["node"] == farm.settings["FARM_NODE"]]
    return dict(one)


@pytest.mark.short
def test_a_paused_node_hands_back_a_long_chunk_at_once_and_works_again_when_told(
    farm: Farmyard,
) -> None:
    job_id = begin(farm, count=60, slow_s=0.3)  # chunks of 4 s and more, in steps of 0.3 s
    said = farm.ok("pause", "--json").json
    [hold] = said["held"]
    assert (said["node"], said["alive"], said["running"]) == ("nas", True, 0)
    assert hold["reason"] == "pause"
    assert hold["text"].endswith("go on with: farm resume nas")
    after = seconds_after(hold["since_s"], records(farm, "handed_back"))
    print(f"handed back after {[round(each, 2) for each in after]} s")
    assert len(after) == len(workers(farm))
    assert max(after) < AT_ONCE_S
    done, begun = chunks_done(farm, job_id), executions(farm, job_id=job_id).total()
    time.sleep(6)  # longer than the reconciler's pause: it hints, and nobody takes
    assert chunks_done(farm, job_id) == done
    assert executions(farm, job_id=job_id).total() == begun
    check_it_says_so(farm, job_id)
    told_s = time.time()
    farm.ok("resume")
    wait_until(lambda: executions(farm, job_id=job_id).total() > begun, SOON_S + 1, "idle")
    first = seconds_after(told_s, records(farm, "chunk_begun"))[begun]
    print(f"at work again {first:.2f} s after the command began")
    assert first < SOON_S
    assert finish(farm, job_id, 60, 120) == NOTHING_WRONG
    assert {record["attempt"] for record in records(farm, "chunk_begun")} == {1}
    assert "takes no work" not in farm.ok("nodes").out


def check_it_says_so(farm: Farmyard, job_id: str) -> None:
    """Wherever one looks for why nothing goes on."""
    assert node_of(farm)["running"] == 0
    assert "farm resume nas" in farm.ok("status", job_id).out
    assert "takes no work: paused by hand since" in farm.ok("status").out
    shown = farm.ok("nodes").out
    assert "paused" in shown
    assert "nas: Nothing runs there any more." in shown
    doctor = farm.run("doctor")
    assert doctor.code == 1
    assert "farm resume nas" in doctor.out


def test_a_pause_outlives_worker_broker_agent_and_farm(farm: Farmyard) -> None:
    job_id = begin(farm, count=30, slow_s=0.3)
    farm.ok("pause")
    begun = executions(farm, job_id=job_id)
    before = workers(farm)
    kill9(before[0])
    kill9(farm.broker_pid())
    wait_until(lambda: before[0] not in workers(farm) and len(workers(farm)) == len(before))
    wait_until(lambda: all_ready(farm), 30, "the slot is not ready")
    time.sleep(2)
    kill9(farm.agent_pid())
    wait_until(lambda: all_ready(farm), 30, "the slots are not ready")
    farm.ok("down")
    up = farm.run("up", "--detach", "--no-watch", "--no-flower", "--no-page")
    assert "It takes no work: paused by hand since" in up.err
    time.sleep(6)
    assert executions(farm, job_id=job_id) == begun
    assert node_of(farm)["held"][0]["reason"] == "pause"
    farm.ok("resume")
    assert finish(farm, job_id, 30, 120) == NOTHING_WRONG


def all_ready(farm: Farmyard) -> bool:
    ran = farm.run("nodes", "--json")
    states = [slot["state"] for node in ran.json for slot in node["slots"]] if ran.out else []
    return bool(states) and set(states) == {"ready"}


def test_a_drained_node_finishes_its_chunks_and_takes_no_more(farm: Farmyard) -> None:
    job_id = begin(farm, count=60, slow_s=0.2)
    ran = farm.ok("drain", "--wait", "--timeout", 60)
    assert "nas takes no more work." in ran.err
    assert "Nothing runs there any more." in ran.err
    begun = executions(farm, job_id=job_id)
    assert chunks_done(farm, job_id) == begun.total() == len(begun)
    assert records(farm, "handed_back") == []
    time.sleep(6)
    assert executions(farm, job_id=job_id) == begun
    assert "drained" in farm.ok("nodes").out
    assert farm.ok("resume").err.startswith("nas goes on.")
    assert finish(farm, job_id, 60, 120) == NOTHING_WRONG


def test_a_drain_that_takes_longer_than_one_would_wait_says_how_to_go_on(farm: Farmyard) -> None:
    begin(farm, count=2, slow_s=30)
    ran = farm.run("drain", "--wait", "--timeout", 1)
    assert ran.code == 75
    assert "farm drain nas --wait" in ran.err
    assert "farm pause nas" in ran.err
    assert "draining" in farm.ok("nodes").out


def test_what_a_paused_node_hands_back_another_one_does(
    tmp_path: Path, cached_models: None
) -> None:
    with two_boxes(tmp_path) as (left, right):
        job_id = begin(left, right, count=60, slow_s=0.25)
        said = right.ok("pause", "left", "--json").json  # from the other box
        since_s = said["held"][0]["since_s"]
        held_back = [record["chunk"] for record in records(left, "handed_back")]
        assert held_back
        assert "1 slot on 1 node" not in right.ok("status").out  # both are there, one works
        assert finish(right, job_id, 60, 180) == NOTHING_WRONG
        assert max(seconds_after(since_s, records(left, "chunk_begun"))) < AT_ONCE_S
        taken = records(right, "chunk_begun")
        [again] = [record for record in taken if record["chunk"] == held_back[0]]
        print(f"taken over {seconds_after(since_s, [again])[0]:.1f} s after the pause")
        assert {record["attempt"] for record in taken if record["chunk"] >= 0} == {1}
        assert executions(left, right, job_id=job_id).total() == len(
            executions(left, right, job_id=job_id)
        ) + len(held_back)


def test_a_node_that_is_away_is_paused_when_it_is_back(tmp_path: Path, cached_models: None) -> None:
    with two_boxes(tmp_path) as (left, right):
        right.ok("down")
        ran = left.ok("pause", "right")
        assert "right is away now: this counts when it is back." in ran.err
        assert "right is away, and paused by hand since" in left.ok("nodes").out
        right.up()
        [report] = [node for node in left.nodes() if node["node"] == "right"]
        assert report["held"][0]["reason"] == "pause"
        assert left.ok("resume", "right", "--json").json["held"] == []


@pytest.mark.short
def test_a_node_that_does_not_exist_is_named_with_the_nearest_that_does(farm: Farmyard) -> None:
    for command in ("pause", "drain", "resume"):
        ran = farm.run(command, "nsa")
        assert ran.code == 2
        assert "did you mean 'nas'?" in ran.err
    assert farm.ok("resume").err.startswith("nas was neither paused nor drained.")


def test_a_farm_that_is_down_can_be_paused_and_says_that_it_counts_later(farm: Farmyard) -> None:
    farm.ok("down")
    ran = farm.ok("pause")
    assert "paused by hand since" in ran.err
    up = farm.ok("up", "--detach", "--no-watch", "--no-flower", "--no-page")
    assert "It takes no work: paused by hand since" in up.err


def test_a_damaged_hold_is_told_and_never_taken_for_a_resume(farm: Farmyard) -> None:
    (farm.home / "nodes" / "nas.json").write_bytes(b"{")
    wait_until(lambda: bool(node_of(farm)["held"]), 5, "the node works on")
    said = farm.ok("nodes").out
    assert "nas.json" in said
    assert "go on with: farm resume nas" in said
    farm.ok("resume")
    wait_until(lambda: not node_of(farm)["held"], 5, "the node is still held")


def test_a_paused_worker_costs_no_processor_time(farm: Farmyard) -> None:
    farm.ok("pause")
    slots = [psutil.Process(pid) for pid in workers(farm)]
    before = sum(sum(slot.cpu_times()[:4]) for slot in slots)
    time.sleep(10)
    used_s = sum(sum(slot.cpu_times()[:4]) for slot in slots) - before
    print(f"{used_s:.2f} s of processor time in 10 s")
    assert used_s < 1.0 * len(slots)
