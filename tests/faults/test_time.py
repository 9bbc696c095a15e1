"""Boxes whose clocks are hours apart share a job: nothing of the farm reads a node's clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from books import (
    NOTHING_WRONG,
    executions,
    finish,
    put_photos,
    records,
    time_of,
    with_slow_photos,
)
from farmyard import Farmyard, kill9, wait_until
from needs import needs
from ownbroker import own_broker

LEASE_S = 6
HOUR_S = 3600
IMAGES = 64


@dataclass(slots=True)
class Box(Farmyard):
    """One node of several on one home; `folder` is its own."""

    def clock_is_off_by_s(self) -> float:
        """By its agent's log, of which the last line is seconds old."""
        [*_, last] = records(self, "child_start", log="agent.jsonl")
        return (time_of(last) - datetime.now(UTC)).total_seconds()

    def die(self) -> None:
        """All at once, as by a power cut."""
        for process in self.processes():
            kill9(process.pid)


def faked_clock(hours: int) -> dict[str, str]:
    """The settings of a box whose clock is so far off, and which otherwise notices nothing."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    needs(libraries, "libfaketime is not installed: apt-get install faketime")
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME": f"{hours:+d}h",
        # A wrong date moves neither the monotonic clock nor the files' times.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


@pytest.fixture
def boxes(tmp_path: Path, cached_models: None) -> Iterator[tuple[Box, Box, Box]]:
    """One with the right time, which hands in; workers two hours ahead; others two hours behind."""
    with own_broker(tmp_path / "broker") as broker:
        made = []
        for name, hours in (("right", 0), ("ahead", 2), ("behind", -2)):
            settings = {
                "FARM_LEASE_S": str(LEASE_S),
                "FARM_BROKER_URL": broker.url,
                "FARM_NODE": name,
                "FARM_SLOTS": "1",
                **with_slow_photos(),
                **(faked_clock(hours) if hours else {}),
            }
            (tmp_path / name).mkdir()
            made.append(Box(tmp_path / name, settings, shared=tmp_path / "home"))
        right, ahead, behind = made
        try:
            for box in made:  # a box joins a home so: it notes which folder that is
                box.ok("init")
            ahead.up()
            behind.up()
            yield right, ahead, behind
        finally:
            behind.close()
            ahead.close()


def test_clocks_four_hours_apart_double_nothing(boxes: tuple[Box, Box, Box]) -> None:
    right, ahead, behind = boxes
    off_s = [ahead.clock_is_off_by_s(), behind.clock_is_off_by_s()]
    print(f"clocks off by {off_s[0]:.0f} and {off_s[1]:.0f} s")
    assert off_s == [pytest.approx(2 * HOUR_S, abs=300), pytest.approx(-2 * HOUR_S, abs=300)]
    folder = put_photos(right, IMAGES, slow_s=0.25)
    answer = right.ok("submit", folder, "--recipe", "detect", "--json").json
    assert finish(right, answer["job_id"], IMAGES, 120) == NOTHING_WRONG
    shares = [executions(box, job_id=answer["job_id"]) for box in (ahead, behind)]
    print(f"chunks run ahead {sorted(shares[0])}, behind {sorted(shares[1])}")
    assert all(shares), "one box did it all"
    assert shares[0] + shares[1] == Counter(range(answer["chunks"]))


@pytest.mark.parametrize("victim", [pytest.param(1, id="ahead"), pytest.param(2, id="behind")])
def test_a_lease_runs_out_in_its_own_time_wherever_the_clocks_are(
    boxes: tuple[Box, Box, Box], victim: int
) -> None:
    """The box that lives on neither waits for hours nor takes what is still at work."""
    right, dying, living = boxes[0], boxes[victim], boxes[3 - victim]
    folder = put_photos(right, IMAGES, slow_s=0.5)
    answer = right.ok("submit", folder, "--recipe", "detect", "--json").json
    wait_until(lambda: len(records(dying, "chunk_begun")) == 1, 60, "it took no chunk")
    time.sleep(1.0)
    assert not records(dying, "chunk_done")
    dying.die()
    # 64 images of 0.5 s each by one worker, and a lease.
    assert finish(right, answer["job_id"], IMAGES, 120) == NOTHING_WRONG
    begun = executions(dying, living, job_id=answer["job_id"])
    print(f"runs a chunk: {dict(sorted(begun.items()))}")
    [its_chunk] = executions(dying, job_id=answer["job_id"])
    assert begun == Counter(range(answer["chunks"])) + Counter([its_chunk])
