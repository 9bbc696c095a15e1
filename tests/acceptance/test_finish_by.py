"""Real farms that have a time to be done by, and samples before a big run."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from books import NOTHING_WRONG, finish, put_photos, records, tally, with_slow_photos, workers
from farmyard import CORES, Farmyard, wait_until
from nasfarm_models.cache import Cache, user_cache_folder
from needs import needs

pytestmark = pytest.mark.alone

SLOW_S = 0.25
"""What each photo takes a worker: two slots do eight a second."""


def farm_with(folder: Path, **settings: str) -> Farmyard:
    quick = {"FARM_RECONCILE_S": "1", "FARM_NODE": "nas", **with_slow_photos()}
    return Farmyard(folder, {**quick, **settings})


@pytest.fixture
def farm(tmp_path: Path, cached_models: None) -> Iterator[Farmyard]:
    """Two slots."""
    needs(len(CORES) >= 2, "one slot more or less wants two cores")
    yard = farm_with(tmp_path, FARM_SLOTS="2")
    try:
        yard.up()
        yield yard
    finally:
        yard.close()


@pytest.fixture
def sparing_farm(tmp_path: Path, cached_models: None) -> Iterator[Farmyard]:
    """One slot, and one spare core."""
    needs(len(CORES) >= 2, "a spare core wants two cores")
    yard = farm_with(tmp_path, FARM_SPARE_CORES=str(len(CORES) - 1))
    try:
        yard.up()
        yield yard
    finally:
        yard.close()


def in_s(seconds: float) -> str:
    """What the clock shows then."""
    return (datetime.now() + timedelta(seconds=seconds)).strftime("%H:%M:%S")


def measured(farm: Farmyard) -> float:
    """The farm knows how fast such work goes: seconds a photo and slot, on this machine now."""
    folder = put_photos(farm, 24, SLOW_S, name="before")
    said = farm.submit(folder, "--recipe", "detect")
    pace = json.loads((farm.home / "jobs" / said["job_id"] / "pace.json").read_text())
    print(f"{pace['images_per_slot_s']} images/s a slot")
    return 1 / float(pace["images_per_slot_s"])


def slots_now(farm: Farmyard) -> int:
    [node] = farm.nodes()
    return len(node["slots"])


def handed_in(farm: Farmyard, count: int, within_s: float) -> tuple[dict[str, Any], float]:
    folder = put_photos(farm, count, SLOW_S)
    by, by_s = in_s(within_s), time.time() + within_s
    ran = farm.ok("submit", folder, "--recipe", "detect", "--finish-by", by, "--json")
    return ran.json, by_s


def before_its_time(farm: Farmyard, job_id: str, by_s: float) -> float:
    """Seconds between a job's last file and its deadline."""
    left_s = by_s - (farm.home / "jobs" / job_id / "summary.json").stat().st_mtime
    print(f"done {left_s:.0f} s before its time")
    return left_s


def test_a_job_with_time_to_spare_runs_on_one_slot_and_the_other_comes_back_afterwards(
    farm: Farmyard,
) -> None:
    each_s = measured(farm)
    said, by_s = handed_in(farm, 100, within_s=20 + 200 * each_s)  # 100 of these on one slot
    assert said["soonest"] is None
    wait_until(lambda: len(workers(farm)) == 1, 30, "both slots run")
    shown = farm.ok("nodes").out
    assert "1 of its 2 slots in use: enough to finish in time (--finish-by)" in shown
    assert "nas: 2 slots on" in shown
    assert "to be done by" in farm.ok("status", said["job_id"]).out
    assert "1 of its 2 slots in use" in farm.ok("status").out
    assert finish(farm, said["job_id"], 100, 120) == NOTHING_WRONG
    assert before_its_time(farm, said["job_id"], by_s) > 0
    wait_until(lambda: len(workers(farm)) == 2, 30, "one slot still rests")
    wait_until(lambda: [slot["state"] for slot in farm.nodes()[0]["slots"]] == ["ready"] * 2)
    assert "slots in use" not in farm.ok("nodes").out


def test_other_work_brings_a_resting_slot_back_at_once(farm: Farmyard) -> None:
    each_s = measured(farm)
    said, _ = handed_in(farm, 100, within_s=20 + 200 * each_s)
    wait_until(lambda: len(workers(farm)) == 1, 30, "both slots run")
    folder = put_photos(farm, 16, SLOW_S, name="others")
    other = farm.ok("submit", folder, "--recipe", "detect", "--priority", "high", "--json").json
    back_s = wait_until(lambda: len(workers(farm)) == 2, 15, "one slot still rests")
    print(f"both slots after {back_s:.1f} s")
    farm.ok("wait", other["job_id"])
    assert finish(farm, said["job_id"], 100, 120) == NOTHING_WRONG


def test_a_job_that_would_be_late_gets_the_spare_core_and_gives_it_back(
    sparing_farm: Farmyard,
) -> None:
    farm = sparing_farm
    each_s = measured(farm)
    assert slots_now(farm) == 1
    said, by_s = handed_in(farm, 400, within_s=320 * each_s)  # one slot wants 400, two 200
    more_s = wait_until(lambda: len(workers(farm)) >= 2, 20, "the spare core is idle")
    print(f"more slots after {more_s:.1f} s")
    wait_until(lambda: slots_now(farm) >= 2, 10, "the report does not know")
    assert "on spare cores, to finish in time (--finish-by)" in farm.ok("nodes").out
    assert finish(farm, said["job_id"], 400, 180) == NOTHING_WRONG
    assert before_its_time(farm, said["job_id"], by_s) > 0
    wait_until(lambda: len(workers(farm)) == 1, 30, "the spare core is still in use")
    assert records(farm, "lease_lost") == []


def test_what_cannot_be_in_time_is_told_at_once_with_when_it_will_be(farm: Farmyard) -> None:
    each_s = measured(farm)
    folder = put_photos(farm, 160, SLOW_S)
    ran = farm.ok("submit", folder, "--recipe", "detect", "--finish-by", in_s(12))
    assert re.search(r"does not suffice: done (just|about \S+,) too late for \S+\.$", ran.err, re.M)
    job_id = ran.out.strip()

    def soonest() -> Any:
        return farm.ok("status", job_id, "--json").json["soonest"]

    wait_until(lambda: soonest() is not None, what="the farm itself, which looks now and then")
    late = datetime.fromisoformat(soonest()) - datetime.now().astimezone()
    print(f"told to be done in {late.total_seconds():.0f} s")
    assert 0 < late.total_seconds() < 160 * each_s  # with one slot
    assert "too late for" in farm.ok("status", job_id).out
    again = farm.ok("submit", folder, "--recipe", "detect", "--finish-by", in_s(3600))
    assert "It is there already" in again.err
    begun = time.monotonic()
    assert finish(farm, job_id, 160, 120) == NOTHING_WRONG
    print(f"done after {time.monotonic() - begun:.0f} s more")


def mixed_photos(farm: Farmyard) -> Path:
    """120 slow ones, and behind them 60 with a person."""
    person = (Cache(user_cache_folder()).photo_folder / "astronaut.png").read_bytes()
    folder = put_photos(farm, 120, SLOW_S)
    for n in range(120, 180):
        (folder / f"{n:05d}.png").write_bytes(person)
    return folder


def test_a_sample_of_all_is_drawn_and_says_how_long_all_would_take(farm: Farmyard) -> None:
    folder = mixed_photos(farm)
    ran = farm.run(
        "submit", folder, "--recipe", "detect", "--sample", 12, "--finish-by", in_s(7200)
    )
    assert ran.code == 0, ran.err
    job_id = ran.out.strip()
    lines = farm.lines(job_id)
    assert len(lines) == 12
    assert sum(line["item"].endswith(".png") for line in lines) == 4  # a third, as of all
    pictures = list((farm.home / "jobs" / job_id / "pictures").iterdir())
    assert len(pictures) == sum(bool(line["detections"]) for line in lines) >= 4
    assert f"{len(pictures)} pictures with what was found drawn in: {pictures[0].parent}" in ran.err
    assert f"Their report: {pictures[0].parents[1] / 'report.html'}" in ran.err
    assert "12 of 180 pictures handed in." in ran.err
    assert "That is in time for" in ran.err
    assert "--finish-by" in ran.err.splitlines()[-1]
    assert len(farm.ok("jobs", "--json").json) == 1  # nothing more was handed in


def test_the_command_that_a_sample_names_takes_as_long_as_it_says(farm: Farmyard) -> None:
    folder = mixed_photos(farm)
    said = farm.ok("submit", folder, "--recipe", "detect", "--sample", 12, "--json").json
    told = said["sample"]
    assert (said["items"], told["whole"], told["forecast"]["slots"]) == (12, 180, 2)
    line = shlex.split(told["command"])
    assert line == ["farm", "submit", str(folder), "--recipe", "detect"]
    begun = time.monotonic()
    whole = farm.submit(*line[2:])
    took_s = time.monotonic() - begun
    print(f"told {told['forecast']['seconds']:.0f} s, took {took_s:.0f} s")
    assert took_s * 0.5 < told["forecast"]["seconds"] < took_s * 2
    assert whole["items"] == 180
    assert tally(farm, whole["job_id"], 180).lost == 0
    again = farm.ok("submit", folder, "--recipe", "detect", "--sample", 12, "--json").json
    assert again["existing"]
    assert again["sample"]["pictures"] == told["pictures"]
