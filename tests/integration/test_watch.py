"""What is dropped into the inbox becomes one line each, by a real watcher and real workers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from farmyard import Farmyard, kill9, wait_until
from nasfarm_models.cache import Cache, user_cache_folder

FARM_YML = """\
watch.settle_s: 0.5
watch.poll_s: 0.3
recipes:
  detect: {sidecars: true, daily_csv: true, keep_days: 30}
"""


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Iterator[Farmyard]:
    farm = Farmyard(tmp_path_factory.mktemp("watched"), watch=True)
    farm.ok("init")
    (farm.home / "farm.yml").write_text(FARM_YML)
    try:
        farm.up()
        wait_until(lambda: (farm.home / "inbox" / "detect").is_dir(), what="the drop folder")
        yield farm
    finally:
        farm.close()


@pytest.fixture(scope="module")
def photo() -> bytes:
    return (Cache(user_cache_folder()).photo_folder / "rocket.jpg").read_bytes()


def today() -> str:
    return f"{datetime.now():%Y-%m-%d}"


def published(yard: Farmyard, day: str | None = None) -> list[dict[str, Any]]:
    """Every line that is published, in any order."""
    folder = yard.home / "jobs" / f"watch-detect-{day or today()}" / "chunks"
    files = folder.glob("*.jsonl") if folder.is_dir() else []
    return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


def lines_of(yard: Farmyard, ending: str) -> list[dict[str, Any]]:
    return [line for line in published(yard) if line["item"].endswith(ending)]


def drop(yard: Farmyard, name: str, content: bytes) -> Path:
    path = yard.home / "inbox" / "detect" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_dropped_picture_becomes_a_line_and_lies_among_the_taken(
    yard: Farmyard, photo: bytes
) -> None:
    path = drop(yard, "camera 1/雨 100%.jpg", photo)
    wait_until(lambda: bool(lines_of(yard, "camera 1/雨 100%25.jpg")), what="its line")
    (line,) = lines_of(yard, "camera 1/雨 100%25.jpg")
    assert line["status"] == "ok"
    assert line["item"] == f"home:inbox/.taken/detect/{today()}/camera 1/雨 100%25.jpg"
    assert not path.exists()
    assert (
        yard.home / "inbox/.taken/detect" / today() / "camera 1/雨 100%.jpg"
    ).read_bytes() == photo


def test_a_name_that_comes_again_and_again_is_a_picture_each_time(
    yard: Farmyard, photo: bytes
) -> None:
    for n in range(5):
        drop(yard, "snapshot.jpg", photo + b"%d" % n)
        wait_until(lambda: not (yard.home / "inbox/detect/snapshot.jpg").exists(), what="taken")
    folder = yard.home / "inbox/.taken/detect" / today()
    wait_until(lambda: len(lines_of(yard, ".jpg")) >= 6, what="five lines")
    contents = {path.read_bytes()[len(photo) :] for path in folder.glob("snapshot*.jpg")}
    assert contents == {b"0", b"1", b"2", b"3", b"4"}


def test_what_is_half_written_not_a_picture_or_for_no_recipe_is_left_alone(
    yard: Farmyard, photo: bytes
) -> None:
    part = drop(yard, "a.jpg.part", photo)
    text = drop(yard, "notes.txt", b"hello")
    strange = yard.home / "inbox" / "holiday" / "a.jpg"
    strange.parent.mkdir()
    strange.write_bytes(photo)
    slow = yard.home / "inbox" / "detect" / "slow.jpg"
    with open(slow, "wb") as file:
        for piece in (photo[:1000], photo[1000:]):
            file.write(piece)
            file.flush()
            time.sleep(1.2)
        assert slow.exists()
    wait_until(lambda: bool(lines_of(yard, "/slow.jpg")), what="the slow one's line")
    assert lines_of(yard, "/slow.jpg")[0]["status"] == "ok"
    assert part.exists() and text.exists() and strange.exists()
    logs = (yard.state / "logs" / "watch.jsonl").read_text()
    assert "inbox/holiday: there is no recipe of that name" in logs


def test_doctor_says_what_is_taken_and_what_is_not(yard: Farmyard, photo: bytes) -> None:
    inbox = yard.home / "inbox"
    (inbox / "loose.jpg").write_bytes(photo)
    checks = yard.run("doctor", "--json").json
    (inbox / "loose.jpg").unlink()
    said = {(c["where"], c["level"], c["found"]) for c in checks if c["what"] == "drop folder"}
    assert said == {
        (str(inbox / "holiday"), "warning", "is left alone: no recipe has this name"),
        (str(inbox), "warning", "1 file lies beside the recipes' folders"),
        (str(inbox), "ok", "what is dropped is taken"),
    }
    assert "holiday: is left alone: no recipe has this name" in yard.ok("status").out


def test_a_burst_is_handed_in_whole_and_each_picture_once(yard: Farmyard, photo: bytes) -> None:
    aside = yard.home / "aside"
    aside.mkdir()
    for n in range(60):
        (aside / f"{n:03d}.jpg").write_bytes(photo)
    aside.rename(yard.home / "inbox" / "detect" / "burst")
    wait_until(lambda: len([1 for line in published(yard) if "/burst/" in line["item"]]) >= 60, 60)
    time.sleep(0.5)
    items = [line["item"] for line in published(yard) if "/burst/" in line["item"]]
    assert len(items) == len(set(items)) == 60


def test_a_broken_picture_goes_to_quarantine_and_a_retry_takes_it_out(
    yard: Farmyard, photo: bytes
) -> None:
    drop(yard, "broken.jpg", b"no picture at all")
    wait_until(lambda: bool(lines_of(yard, "/broken.jpg")), what="its line")
    assert lines_of(yard, "/broken.jpg")[0]["error"]["code"] == "decode"
    job = f"watch-detect-{today()}"
    status = yard.ok("status", job, "--json").json
    assert status["state"] == "running" and status["errors"] >= 1
    taken = yard.home / "inbox/.taken/detect" / today() / "broken.jpg"
    taken.write_bytes(photo)
    assert yard.ok("retry", job, "--json").json["items"] >= 1
    wait_until(
        lambda: any(line["status"] == "ok" for line in lines_of(yard, "/broken.jpg")),
        what="retried",
    )


def test_a_rolling_job_is_not_cancelled_by_mistake(yard: Farmyard) -> None:
    ran = yard.run("cancel", f"watch-detect-{today()}")
    assert ran.code == 2
    assert "farm up --no-watch" in ran.err


def test_a_killed_watcher_is_started_again_and_takes_what_came_meanwhile(
    yard: Farmyard, photo: bytes
) -> None:
    (watcher,) = [p for p in yard.processes() if p.cmdline()[-1] == "watch"]
    kill9(watcher.pid)
    for n in range(10):
        drop(yard, f"meanwhile/{n}.jpg", photo)
    # What was taken and not handed in: the watcher died between the two.
    folder = yard.home / "inbox/.taken/detect" / today() / "orphans"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(photo)
    wait_until(
        lambda: (
            len({line["item"] for line in published(yard) if "/meanwhile/" in line["item"]}) == 10
            and bool(lines_of(yard, "/orphans/a.jpg"))
        ),
        60,
    )
    time.sleep(0.5)
    items = [line["item"] for line in published(yard) if "/meanwhile/" in line["item"]]
    assert len(items) == 10 and len(lines_of(yard, "/orphans/a.jpg")) == 1


def test_results_lie_where_people_look(yard: Farmyard) -> None:
    """The first refresh comes with the first lines, the next ones a minute apart."""
    job = yard.home / "jobs" / f"watch-detect-{today()}"
    wait_until(lambda: (job / "refreshed.json").exists(), what="the first refresh")
    first = json.loads((job / "results.jsonl").read_bytes().splitlines()[0])
    taken = yard.home / os.fsdecode(first["item"].removeprefix("home:")).replace("%25", "%")
    assert json.loads((taken.with_name(taken.name + ".json")).read_text())["i"] == first["i"]
    assert (yard.home / "inbox/.taken/detect" / today() / "results.csv").exists()


def test_a_recipe_of_ones_own_has_its_folder_as_soon_as_it_is_written(
    yard: Farmyard, photo: bytes
) -> None:
    (yard.home / "inbox" / "yard").write_text("not a folder")
    (yard.home / "recipes" / "yard.yml").write_text("like: detect\n")
    (yard.home / "recipes" / "door.yml").write_text("like: detect\nset: {score: 0.6}\n")
    folder = yard.home / "inbox" / "door"
    lines = yard.home / "jobs" / f"watch-door-{today()}" / "chunks"
    for count in (1, 2):
        wait_until(folder.is_dir, what="its folder")
        (folder / "a.jpg").write_bytes(photo)
        wait_until(lambda n=count: len(list(lines.glob("*.jsonl"))) == n, what="its line")  # type: ignore[misc]
        folder.rename(folder.with_name(f"gone-{count}"))
    assert (yard.home / "inbox" / "yard").read_text() == "not a folder"


def test_a_second_watcher_of_this_machine_says_who_is_there(yard: Farmyard) -> None:
    ran = yard.run("watch", timeout_s=30)
    assert ran.code == 2
    assert "a watcher is running already" in ran.err


def test_a_drop_folder_that_was_thrown_away_is_made_again(yard: Farmyard) -> None:
    inbox = yard.home / "inbox"
    inbox.rename(yard.home / "thrown-away")
    for name in ("detect", "people-count"):
        wait_until((inbox / name).is_dir, what=f"another folder {name}")
