"""What a held node's workers are told, and what is said of a job that waits for it."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from nasfarm.core.nodes import Hold, NodeReport, sentence
from nasfarm.follow import why_absent
from nasfarm_workers.orders import Orders

PAUSE, DRAIN = Hold("pause", 1.0, "paused by hand"), Hold("drain", 1.0, "drained by hand")
STORAGE, NEWER = Hold("storage", 1.0, "The disk is full."), Hold("heat", 1.0, "too warm")


@pytest.mark.parametrize(
    ("held", "takes", "hands_back"),
    [
        pytest.param((), True, False, id="nothing"),
        pytest.param((PAUSE,), False, True, id="pause"),
        pytest.param((DRAIN,), False, False, id="drain"),
        pytest.param((STORAGE,), False, False, id="storage"),
        pytest.param((STORAGE, PAUSE), False, True, id="storage-and-pause"),
        pytest.param((NEWER,), False, False, id="a-reason-to-come"),
    ],
)
def test_every_worker_of_a_node_sees_the_agents_order_at_once(
    tmp_path: Path, held: tuple[Hold, ...], takes: bool, hands_back: bool
) -> None:
    agent, worker = Orders.of(tmp_path), Orders.of(tmp_path)
    assert worker.take_work()
    agent.give(held)
    assert (worker.take_work(), worker.hand_back()) == (takes, hands_back)
    late = Orders.of(tmp_path)  # of a worker that is started while the node is held
    assert late.take_work() == takes
    agent.give(())
    assert worker.take_work()
    assert not worker.hand_back()


def test_an_order_that_stays_as_it_is_touches_nothing(tmp_path: Path) -> None:
    """A few times a second: the disk would never sleep."""
    Orders.of(tmp_path).give((PAUSE,))
    with open(tmp_path / "run" / "order", "rb") as file:
        fixed = Orders(mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ))
    fixed.give((PAUSE,))
    assert fixed.hand_back()


def test_an_order_has_its_place_on_disk_from_the_start(tmp_path: Path) -> None:
    """Into a hole of a file the kernel lets nobody write by memory while the disk is full."""
    Orders.of(tmp_path)
    with open(tmp_path / "run" / "order", "rb") as file:
        assert os.lseek(file.fileno(), 0, os.SEEK_DATA) == 0
    Orders.of(tmp_path)
    assert (tmp_path / "run" / "order").read_bytes() == b"\0"


def node(name: str, *held: Hold, away: tuple[str, ...] = ()) -> NodeReport:
    return NodeReport(
        name, "b", "0", 1, ("home", "photos"), away, (), paused=sentence(held), held=held
    )


def test_a_job_that_waits_for_a_held_node_says_so_and_how_it_goes_on() -> None:
    text = "paused by hand since 14:02; go on with: farm resume nas"
    said = why_absent("photos", [node("nas", Hold("pause", 1.0, text))])
    assert said == f"nas takes no work: {text}"
