"""The power goes at any moment: every accepted image ends in exactly one line, after it is back."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from disks import Pictured, forgetful_library, mounted, pictured_disk, run

from farmyard import Farmyard
from needs import needs
from pictures import pictures

CUTS = 20
IN_A_JOB = 24
DISK_MB = 500
AFTER_A_CUT_S = 120
LEASE_S = "6"

RECIPE = """
name: few
help: Detects like detect, in chunks of 6.
stages:
  - {name: detect, model: nanodet-g, of: image}
params:
  - {name: score, type: number, default: 0.35, least: 0.05, most: 1, help: Least score.}
map: detect
chunk_items: 6
max_side: 416
"""


@dataclass(slots=True)
class Customer:
    """Hands in the same photos again and again, and keeps what was accepted.

    accepted: jobs whose `farm submit` has returned.
    """

    farm: Farmyard
    photos: Path
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def hand_in(self) -> None:
        while not self.over.is_set():
            ran = self.farm.run("submit", self.photos, "--recipe", "few", "--again", "--json")
            if ran.code:
                self.refused.append(ran.err)
            else:
                self.accepted.append(ran.json["job_id"])


@contextmanager
def busy(farm: Farmyard, photos: Path) -> Iterator[Customer]:
    """While the block runs, jobs keep coming."""
    customer = Customer(farm, photos)
    thread = threading.Thread(target=customer.hand_in)
    thread.start()
    try:
        yield customer
    finally:
        customer.over.set()
        thread.join()


def cuts_of_a_running_farm(
    disk: Pictured, chance: random.Random, count: int, more: Mapping[str, str]
) -> Iterator[tuple[int, Path, list[str]]]:
    """(number, the disk's picture, the jobs accepted before it was taken)."""
    farm = Farmyard(disk.place, {"FARM_LEASE_S": LEASE_S})
    farm.ok("init")
    (farm.home / "recipes" / "few.yml").write_text(RECIPE)
    pictures(farm.home / "photos", IN_A_JOB)
    run("sync", "--file-system", disk.place)  # what stood there before the farm was started
    farm.settings = {**farm.settings, **more}
    try:
        farm.up()
        run("sync", "--file-system", disk.place)  # only what is accepted from now on is in question
        with busy(farm, farm.home / "photos") as customer:
            time.sleep(3)
            taken = []
            for number in range(count):
                time.sleep(chance.uniform(0.1, 2))
                accepted = list(customer.accepted)
                taken.append((number, disk.cut(number), accepted))
    finally:
        farm.close()
    assert not customer.refused, customer.refused[0]
    yield from taken


def lost_by(picture: Path, accepted: list[str], place: Path) -> list[str]:
    """What is wrong after the power is back: nothing, where all is well."""
    with mounted(picture, place, "-o", "loop"):
        farm = Farmyard(place, {"FARM_LEASE_S": LEASE_S})
        try:
            return [*what_is_wrong(farm, accepted)]
        finally:
            farm.close()


def what_is_wrong(farm: Farmyard, accepted: list[str]) -> Iterator[str]:
    up = farm.run("up", "--detach")
    if up.code:
        yield f"the farm does not start: {up.err[-300:]}"
        return
    yield from not_done_in_time(farm, accepted)
    for job_id in accepted:
        if not (farm.home / "jobs" / job_id / "results.jsonl").exists():
            continue
        numbers = [line["i"] for line in farm.lines(job_id) if line["status"] == "ok"]
        if numbers != list(range(IN_A_JOB)):
            yield f"{job_id}: good lines are {numbers}"


def not_done_in_time(farm: Farmyard, accepted: list[str]) -> Iterator[str]:
    """Wait until the accepted jobs are done; those that are not, or cannot even be looked at."""
    states: dict[str, str] = {}
    deadline = time.monotonic() + AFTER_A_CUT_S
    while time.monotonic() < deadline:
        ran = farm.run("jobs", "--json")
        if ran.code:
            yield f"farm jobs: {ran.err.strip()[-300:]}"
            return
        states = {job["job_id"]: job["state"] for job in ran.json}
        if all(states.get(job_id, "gone") in ("done", "gone") for job_id in accepted):
            break
    for job_id in accepted:
        if states.get(job_id) != "done":
            yield f"{job_id} is {states.get(job_id, 'gone')}"


def survive(disk: Pictured, chance: random.Random, folder: Path, count: int) -> None:
    for number, picture, accepted in cuts_of_a_running_farm(disk, chance, count, {}):
        begun = time.monotonic()
        wrong = lost_by(picture, accepted, folder / f"after{number}")
        took_s = time.monotonic() - begun
        print(f"cut {number}: {len(accepted)} jobs accepted, wrong {wrong}, {took_s:.0f} s")
        assert not wrong
        picture.unlink()


def test_twenty_power_cuts_cost_no_accepted_image(tmp_path: Path, chance: random.Random) -> None:
    with pictured_disk(tmp_path / "disks", DISK_MB, CUTS) as disk:
        survive(disk, chance, tmp_path, CUTS)


def test_the_same_without_forced_writes_loses_accepted_images(
    tmp_path: Path, chance: random.Random
) -> None:
    """That the test above can fail: Debian's eatmydata makes every fsync a lie."""
    library = forgetful_library()
    needs(library, "eatmydata is not installed: apt-get install eatmydata")
    lies = {"LD_PRELOAD": str(library)}
    wrong: list[str] = []
    with pictured_disk(tmp_path / "disks", DISK_MB, CUTS) as disk:
        for number, picture, accepted in cuts_of_a_running_farm(disk, chance, CUTS, lies):
            wrong = lost_by(picture, accepted, tmp_path / f"after{number}")
            print(f"cut {number}: {len(accepted)} jobs accepted, wrong {wrong}")
            if wrong:
                break
    assert wrong, f"{CUTS} cuts without a forced write lost nothing: the test proves nothing"
