"""Videos through a real farm: a line for each frame, exports, failures, and only what is new."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from farmyard import Farmyard
from films import film


@pytest.fixture(scope="module")
def walk(samples: dict[str, Path]) -> list[NDArray[np.uint8]]:
    """Pictures of an astronaut who moves to the right, 4 pixels a picture."""
    with Image.open(samples["astronaut.png"]) as image:
        pixels = np.asarray(image.convert("RGB").resize((320, 320)))
    return [np.roll(pixels, 4 * n, axis=1) for n in range(20)]


def test_a_video_has_a_line_for_each_frame_with_its_number_and_time(
    common_farm: Farmyard, folder: Path, walk: list[NDArray[np.uint8]]
) -> None:
    path = film(
        folder / "walk.mp4", 20, rate=10, codec="libx264", between=2, shown=walk.__getitem__,
        metadata={"creation_time": "2026-05-04T04:00:00.000000Z"},
    )  # fmt: skip
    answer = common_farm.submit(path, "--recipe", "detect", "--set", "pictures=2")
    assert (answer["items"], answer["ok"], answer["errors"]) == (20, 20, 0)
    lines = common_farm.lines(answer["job_id"])
    assert [line["frame"] for line in lines] == [
        {"number": n, "seconds": n / 10} for n in range(20)
    ]
    assert {line["item"] for line in lines} == {f"photos:{folder.name}/walk.mp4"}
    assert (lines[15]["taken_at"], lines[15]["time_source"]) == (
        "2026-05-04T04:00:01.500+00:00",
        "video",
    )
    people = [line["detections"][0] for line in lines]
    assert {found["label"] for found in people} == {"person"}
    pairs = zip(people[:8], people[5:13], strict=True)
    moved = [later["box"][0] - first["box"][0] for first, later in pairs]
    assert 10 < np.median(moved) < 30, "20 pixels in five frames"

    job = common_farm.home / "jobs" / answer["job_id"]
    assert sorted(path.name for path in (job / "pictures").iterdir()) == [
        "000000-walk-frame-0.jpg",
        "000001-walk-frame-1.jpg",
    ]
    table = folder / "found.csv"
    common_farm.ok("results", answer["job_id"], "-o", table)
    with open(table, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["frame"]: row["seconds"] for row in rows}["15"] == "1.5"


def test_behind_a_gate_frames_that_did_not_change_have_the_result_before_them(
    common_farm: Farmyard, folder: Path, walk: list[NDArray[np.uint8]]
) -> None:
    scenes = [walk[0]] * 16 + walk[1:9]
    path = film(folder / "stand.mp4", 24, rate=10, codec="libx264", shown=scenes.__getitem__)
    answer = common_farm.submit(path, "--recipe", "detect", "--set", "gate=motion")
    assert (answer["items"], answer["ok"], answer["errors"]) == (24, 24, 0)
    lines = common_farm.lines(answer["job_id"])
    marked = {line["i"]: line["inherited"] for line in lines if "inherited" in line}
    assert len(marked) >= 8, "of 16; each chunk runs its first"
    assert max(marked) < 16, "whoever walks is looked at"
    assert not set(marked.values()) & set(marked), "inherited from what was run"
    assert all(before < i for i, before in marked.items())
    assert all(lines[i]["detections"] == lines[n]["detections"] for i, n in marked.items())
    assert all(lines[i]["frame"]["number"] == i for i in marked)
    table = folder / "stand.csv"
    common_farm.ok("results", answer["job_id"], "-o", table)
    with open(table, encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["found"] == "detections"]
    assert {int(row["i"]): int(row["inherited"]) for row in rows if row["inherited"]} == marked


def test_one_frame_each_so_many_seconds_and_later_only_the_others(
    common_farm: Farmyard, folder: Path
) -> None:
    path = film(folder / "clip.avi", 40, rate=10, codec="mjpeg")
    few = common_farm.submit(path, "--recipe", "detect", "--every", 1)
    numbers = [line["frame"]["number"] for line in common_farm.lines(few["job_id"])]
    assert numbers == [0, 10, 20, 30]
    again = common_farm.submit(folder, "--recipe", "detect", "--every", 1)
    assert (again["job_id"], again["existing"]) == (few["job_id"], True)
    rest = common_farm.submit(path, "--recipe", "detect", "--new")
    assert (rest["items"], rest["skipped"]["done"]) == (36, 4)
    assert common_farm.submit(path, "--recipe", "detect", "--new")["items"] == 0


def test_a_broken_tail_has_an_error_line_a_frame_and_is_told_by_farm_failed(
    common_farm: Farmyard, folder: Path
) -> None:
    path = film(folder / "cut.mp4", 50, header={"movflags": "faststart"})
    os.truncate(path, path.stat().st_size * 7 // 10)
    (folder / "empty.mkv").write_bytes(b"")
    answer = common_farm.submit(folder, "--recipe", "detect", "--every", 0)
    lines = common_farm.lines(answer["job_id"])
    assert (answer["items"], len(lines)) == (51, 51)
    bad = [line for line in lines if line["status"] == "error"]
    assert answer["errors"] == len(bad)
    assert {line["error"]["code"] for line in bad} == {"decode"}
    lost = [line["frame"]["number"] for line in bad if "frame" in line]
    assert lost == list(range(lost[0], 50))
    assert 20 < lost[0] < 45
    told = common_farm.ok("failed", answer["job_id"], "--json").json
    assert [one.get("frame", {}).get("number") for one in told] == [*lost, None]
    shown = common_farm.ok("failed", answer["job_id"]).out
    assert "cut.mp4, frame 49" in shown


def test_a_folder_of_photos_leaves_its_videos_out(common_farm: Farmyard, folder: Path) -> None:
    film(folder / "clip.mp4", 3)
    ran = common_farm.run("submit", folder, "--recipe", "detect")
    assert (ran.code, "--every" in ran.err) == (2, True), ran.err
    path = folder / "clip.mp4"
    named = common_farm.ok("submit", path, "--recipe", "detect", "--dry-run", "--json")
    assert json.loads(named.out)["items"] == 3
