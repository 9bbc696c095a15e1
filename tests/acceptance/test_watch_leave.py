"""With `watch.mode: leave` files stay where they are, and each is looked at once all the same."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from farmyard import Farmyard, kill9, wait_until
from pictures import picture

pytestmark = pytest.mark.short

FARM_YML = """\
watch.mode: leave
watch.settle_s: 0.5
watch.poll_s: 0.3
recipes:
  detect: {sidecars: true}
"""


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Iterator[Farmyard]:
    farm = Farmyard(tmp_path_factory.mktemp("left"), watch=True)
    farm.ok("init")
    (farm.home / "farm.yml").write_text(FARM_YML)
    try:
        farm.up()
        wait_until(lambda: inbox(farm).is_dir(), what="the drop folder")
        yield farm
    finally:
        farm.close()


def inbox(farm: Farmyard) -> Path:
    return farm.home / "inbox" / "detect"


def lines(farm: Farmyard) -> dict[str, list[dict[str, Any]]]:
    """Every published line, by the item's name."""
    found: dict[str, list[dict[str, Any]]] = {}
    chunks = farm.home / "jobs" / f"watch-detect-{datetime.now():%Y-%m-%d}" / "chunks"
    for path in chunks.glob("*.jsonl"):
        for line in map(json.loads, path.read_bytes().splitlines()):
            found.setdefault(line["item"].removeprefix("home:inbox/detect/"), []).append(line)
    return found


def killed(farm: Farmyard) -> None:
    (watcher,) = [p for p in farm.processes() if p.cmdline()[-1] == "watch"]
    kill9(watcher.pid)


def test_a_picture_stays_and_one_that_is_the_same_names_it(yard: Farmyard) -> None:
    first = picture(inbox(yard) / "a.jpg", 10)
    wait_until(lambda: "a.jpg" in lines(yard), what="its line")
    (inbox(yard) / "cam").mkdir()
    (inbox(yard) / "cam" / "雨 b.jpg").write_bytes(first.read_bytes())
    wait_until(lambda: "cam/雨 b.jpg" in lines(yard), what="the copy's line")
    (line,) = lines(yard)["cam/雨 b.jpg"]
    assert (line["status"], line["same_as"]) == ("ok", "home:inbox/detect/a.jpg")
    assert "detections" not in line
    assert first.exists()


def test_a_picture_that_is_overwritten_gets_another_line(yard: Farmyard) -> None:
    path = picture(inbox(yard) / "snapshot.jpg", 60)
    wait_until(lambda: "snapshot.jpg" in lines(yard), what="its line")
    picture(path, 110)
    wait_until(lambda: len(lines(yard)["snapshot.jpg"]) == 2, what="a line for the new one")
    assert all("same_as" not in line for line in lines(yard)["snapshot.jpg"])


def test_a_watcher_that_was_killed_looks_at_nothing_twice(yard: Farmyard) -> None:
    before = lines(yard)
    killed(yard)
    (yard.home / "inbox" / ".seen.sqlite").unlink()  # it died before it could note anything
    picture(inbox(yard) / "later.jpg", 160)
    wait_until(lambda: "later.jpg" in lines(yard), 60, "the line of what came meanwhile")
    time.sleep(1.0)
    assert {name: len(found) for name, found in lines(yard).items()} == {
        **{name: len(found) for name, found in before.items()},
        "later.jpg": 1,
    }


def test_same_pictures_are_no_trouble_to_whoever_reads_the_results(yard: Farmyard) -> None:
    job = f"watch-detect-{datetime.now():%Y-%m-%d}"
    wait_until(lambda: (yard.home / "jobs" / job / "refreshed.json").exists(), what="results")
    for form in ("csv", "jsonl"):
        assert "a.jpg" in yard.ok("results", job, "--format", form).out
    assert yard.ok("results", job, "--format", "coco").json["images"]
    assert yard.ok("failed", job, "--json").json == []
    assert json.loads((inbox(yard) / "a.jpg.json").read_bytes())["item"].endswith("/a.jpg")


def test_a_farm_whose_settings_were_broken_can_be_stopped(yard: Farmyard) -> None:
    (yard.home / "farm.yml").write_text("watch.mode: perhaps\n")
    assert yard.run("status").code == 2
    ran = yard.ok("down")
    assert "watch.mode" in ran.err and "The farm is down." in ran.err
    assert not yard.processes()
