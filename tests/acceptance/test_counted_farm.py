"""What whole farms have done, counted: exactly their jobs' lines, and none of them twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from farmyard import Farmyard, kill9, wait_until
from nasfarm.recipe_specs import specs
from pictures import pictures
from scraped import samples
from watchedfarm import RECIPE, SOON, Watched, begun, small
from webhooks import receiving


def images(yard: Farmyard) -> dict[tuple[str, ...], float]:
    """(status, model) → how many; models that did nothing left out."""
    found = samples(yard, "farm_images_total", "status", "model")
    return {name: number for name, number in found.items() if number}


@pytest.mark.short
def test_every_line_of_every_job_is_counted_for_its_model(running_farm: Farmyard) -> None:
    photos = running_farm.folder / "photos"
    pictures(photos, 40)
    for n in (3, 17):
        (photos / f"{n:04d}.jpg").write_bytes(b"\xff\xd8\xff broken")
    running_farm.ok("roots", "add", "photos", photos)
    zero = samples(running_farm, "farm_images_total", "status", "model")
    assert {name[0] for name in zero} == {"ok", "error"} and set(zero.values()) == {0}
    jobs = [running_farm.submit(photos, "--recipe", recipe) for recipe in ("detect", "classify")]
    expected = {}
    for answer in jobs:
        job = json.loads((running_farm.home / "jobs" / answer["job_id"] / "job.json").read_text())
        pinned = job["recipe"]["stages"][0]["model"]
        model = f"{pinned['name']}@{pinned['version']}/{pinned['variant']}"
        expected |= {("ok", model): answer["ok"], ("error", model): answer["errors"]}
    assert images(running_farm) == expected
    assert sum(expected.values()) == 80
    waiting = samples(running_farm, "farm_items_waiting")
    assert waiting == {(): 0}
    runs = samples(running_farm, "farm_batch_size_sum")
    assert runs == {(): 76}, "each good picture went through one model"
    chunks = samples(running_farm, "farm_chunks_total")
    steps = samples(running_farm, "farm_stage_seconds_count", "stage")
    assert {steps[(step,)] for step in ("read", "decode", "publish")} == {chunks[()]}

    running_farm.ok("retry", jobs[0]["job_id"])
    running_farm.run("wait", jobs[0]["job_id"])
    again = {name: n + 2 * (name[0] == "error" and "nanodet" in name[1])
             for name, n in expected.items()}  # fmt: skip
    assert images(running_farm) == again, "what is retried has a new line"


def test_what_is_dropped_and_told_is_counted_once_for_the_farm(
    tmp_path: Path, cached_models: None
) -> None:
    farm = Watched(tmp_path)
    with receiving() as inbox:
        told = {"name": "broken", "when": {"error": True}, "webhook": inbox.url}
        try:
            begun(farm, SOON + "recipes: " + json.dumps({RECIPE: {"notify": [told]}}) + "\n")
            for n in range(3):
                (farm.inbox / f"{n}.jpg").write_bytes(small(n, tmp_path))
            (farm.inbox / "3.jpg").write_bytes(b"\xff\xd8\xff broken")
            farm.settled(60)
            wait_until(lambda: len(inbox.got) == 1, 20, "the notice")
            recipes = samples(farm, "farm_files_taken_total", "recipe")
            assert recipes == {(name,): 4 * (name == RECIPE) for name in specs.names(None)}
            sent = ("webhook", "sent")
            notices = samples(farm, "farm_notices_total", "kind", "outcome")
            wait_until(
                lambda: samples(farm, "farm_notices_total", "kind", "outcome")[sent] == 1, 10
            )
            assert sum(notices.values()) <= 1
            disks = samples(farm, "farm_disk_free_bytes", "disk")
            assert disks.keys() == {("home",), ("state",)} and min(disks.values()) > 0
        finally:
            farm.close()


def test_what_is_killed_counts_once(farm_home: Farmyard) -> None:
    photos = farm_home.folder / "photos"
    for n, path in enumerate(pictures(photos, 120)):
        shutil.copy(path, photos / f"more-{n}.jpg")
    farm_home.ok("roots", "add", "photos", photos)
    farm_home.up()
    answer = farm_home.ok("submit", photos, "--recipe", "detect", "--json").json
    job_id = answer["job_id"]
    wait_until(lambda: farm_home.ok("status", job_id, "--json").json["chunks_done"] > 0)
    for pid in farm_home.slot_pids():
        kill9(pid)
    farm_home.ok("wait", job_id, "--timeout", "120")
    largest = max(
        path.read_bytes().count(b"\n")
        for path in (farm_home.home / "jobs" / job_id / "chunks").glob("*.jsonl")
    )
    counted = sum(images(farm_home).values())
    # One that is killed between publishing and counting leaves its chunk out.
    assert answer["items"] - largest <= counted <= answer["items"]
    assert sum(samples(farm_home, "farm_attempts_lost_total").values()) >= 1
