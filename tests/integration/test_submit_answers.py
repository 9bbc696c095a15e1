"""What `farm submit` answers: one job for one request, every picture once, in the fields agreed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from farmyard import Farmyard, wait_until
from pictures import picture, pictures

FIELDS = {"job_id": str, "existing": bool, "items": int, "chunks": int, "skipped": dict}
WAITED = {"state": str, "ok": int, "errors": int, "images_per_s": float}
SKIPPED = {"done", "not_a_file", "outside_root", "system", "other_type"}


def result_bytes(yard: Farmyard, job_id: str) -> bytes:
    return (yard.home / "jobs" / job_id / "results.jsonl").read_bytes()


def manifest(yard: Farmyard, job_id: str) -> list[Any]:
    content = (yard.home / "jobs" / job_id / "manifest.jsonl").read_bytes()
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def jobs(yard: Farmyard) -> set[str]:
    """Everything in the folder of jobs, drafts too."""
    return set(os.listdir(yard.home / "jobs"))


def test_every_picture_has_one_line_in_manifest_order_with_the_agreed_fields(
    common_farm: Farmyard, folder: Path, samples: dict[str, Path]
) -> None:
    for name in ("astronaut.png", "chelsea.png", "rocket.jpg"):
        shutil.copy(samples[name], folder)
    pictures(folder / "more", 40)
    (folder / "notes.txt").write_text("no picture")
    answer = common_farm.submit(folder, "--recipe", "detect")
    assert {name: type(value) for name, value in answer.items()} == {**FIELDS, **WAITED}
    assert set(answer["skipped"]) == SKIPPED
    assert answer["skipped"]["other_type"] == 1
    assert (answer["existing"], answer["items"]) == (False, 43)
    assert (answer["state"], answer["ok"], answer["errors"]) == ("done", 43, 0)

    listed = manifest(common_farm, answer["job_id"])
    lines = common_farm.lines(answer["job_id"])
    assert [item["i"] for item in listed] == list(range(43))
    assert [item["item"] for item in listed] == sorted(item["item"] for item in listed)
    assert [(line["i"], line["item"]) for line in lines] == [
        (item["i"], item["item"]) for item in listed
    ]
    for item in listed:
        assert list(item) == ["i", "item", "bytes", "mtime_ns"]
    found = {Path(line["item"]).name: line for line in lines}
    assert list(found["rocket.jpg"])[:8] == [
        "i", "item", "status", "width", "height", "model", "taken_at", "time_source",
    ]  # fmt: skip
    assert found["astronaut.png"]["model"] == "nanodet-g@2/int8"
    assert (found["astronaut.png"]["width"], found["astronaut.png"]["height"]) == (512, 512)
    best = found["astronaut.png"]["detections"][0]
    assert list(best) == ["label", "class_id", "score", "box"]
    assert (best["label"], best["class_id"]) == ("person", 0)
    assert "cat" in {thing["label"] for thing in found["chelsea.png"]["detections"]}


def test_the_manifest_has_each_files_own_size_and_time(common_farm: Farmyard, folder: Path) -> None:
    paths = pictures(folder, 3)
    os.utime(paths[1], ns=(1, 1_234_567_890_123_456_789))
    answer = common_farm.submit(folder, "--recipe", "detect")
    listed = manifest(common_farm, answer["job_id"])
    said = [(item["item"], item["bytes"], item["mtime_ns"]) for item in listed]
    stats = ((path, path.stat()) for path in paths)
    assert said == [
        (f"photos:{folder.name}/{path.name}", status.st_size, status.st_mtime_ns)
        for path, status in stats
    ]


def test_the_same_again_is_the_same_job_and_again_is_another_with_equal_bytes(
    common_farm: Farmyard, folder: Path, samples: dict[str, Path]
) -> None:
    shutil.copy(samples["astronaut.png"], folder)
    pictures(folder, 20)
    first = common_farm.submit(folder, "--recipe", "detect")
    same = common_farm.submit(folder, "--recipe", "detect")
    assert same == {**first, "existing": True}
    anew = common_farm.submit(folder, "--recipe", "detect", "--again")
    once_more = common_farm.submit(folder, "--recipe", "detect", "--again")
    ids = {first["job_id"], anew["job_id"], once_more["job_id"]}
    assert (len(ids), anew["existing"], once_more["existing"]) == (3, False, False)
    assert len({result_bytes(common_farm, job_id) for job_id in ids}) == 1


def test_whatever_changes_makes_it_another_job(common_farm: Farmyard, folder: Path) -> None:
    first, second, third = pictures(folder, 3)
    then = first.stat().st_mtime_ns
    seen: dict[str, str] = {}

    def submit(change: str, *sets: str) -> None:
        answer = common_farm.ok("submit", folder, "--recipe", "detect", "--json", *sets).json
        assert not answer["existing"], f"{change}: taken for {seen}"
        seen[change] = answer["job_id"]

    submit("nothing")
    first.write_bytes(first.read_bytes() + b"more")
    os.utime(first, ns=(1, then))
    submit("size")
    os.utime(second, ns=(1, then + 1))
    submit("time")
    third.unlink()
    submit("one less")
    third.with_name("another.jpg").write_bytes(b"")
    submit("one more")
    submit("value", "--set", "score=0.36")
    assert len(set(seen.values())) == 6


def test_new_leaves_out_what_was_done_and_counts_it(common_farm: Farmyard, folder: Path) -> None:
    pictures(folder, 4)
    broken = folder / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no more")
    done = common_farm.submit(folder, "--recipe", "detect")
    assert (done["ok"], done["errors"]) == (4, 1)

    picture(folder / "later.jpg")
    os.utime(folder / "0001.jpg", ns=(1, 1))
    new = common_farm.submit(folder, "--recipe", "detect", "--new")
    assert (new["items"], new["skipped"]["done"]) == (3, 3)
    names = {Path(line["item"]).name for line in common_farm.lines(new["job_id"])}
    assert names == {"later.jpg", "0001.jpg", "broken.jpg"}, "what failed is not done"

    broken.unlink()
    before = jobs(common_farm)
    nothing = common_farm.ok("submit", folder, "--recipe", "detect", "--new", "--wait", "--json")
    assert nothing.json["skipped"]["done"] == 5
    assert (nothing.json["items"], nothing.json["job_id"]) == (0, "")
    assert set(nothing.json) == set(FIELDS) | set(WAITED)
    assert (nothing.json["state"], nothing.json["ok"], nothing.json["errors"]) == ("done", 0, 0)
    assert jobs(common_farm) == before

    other = common_farm.ok(
        "submit", folder, "--recipe", "detect", "--new", "--set", "score=0.7", "--json"
    ).json
    assert (other["items"], other["skipped"]["done"]) == (5, 0), "with another value nothing is"


def test_a_dry_run_counts_and_writes_nothing(common_farm: Farmyard, folder: Path) -> None:
    pictures(folder, 5)
    (folder / ".hidden.jpg").write_bytes(b"")
    before = jobs(common_farm)
    answer = common_farm.ok("submit", folder, "--recipe", "detect", "--dry-run", "--json").json
    assert (answer["items"], answer["job_id"], answer["existing"]) == (5, "", False)
    assert answer["skipped"]["system"] == 1
    assert jobs(common_farm) == before
    assert not list((common_farm.state / "tmp").iterdir())
    assert "5 pictures" in common_farm.ok("submit", folder, "--recipe", "detect", "--dry-run").err


def test_a_set_value_reaches_the_model(
    common_farm: Farmyard, folder: Path, samples: dict[str, Path]
) -> None:
    shutil.copy(samples["astronaut.png"], folder)
    low, high = (
        common_farm.submit(folder, "--recipe", "detect", "--set", f"score={score}")["job_id"]
        for score in (0.1, 0.99)
    )
    [some], [none] = common_farm.lines(low), common_farm.lines(high)
    assert len(some["detections"]) > 1
    assert min(thing["score"] for thing in some["detections"]) < 0.35
    assert none["detections"] == []


def test_an_urgent_job_overtakes_one_that_can_wait(common_farm: Farmyard, folder: Path) -> None:
    pictures(folder / "many", 600)
    pictures(folder / "few", 4)
    slow = common_farm.ok(
        "submit", folder / "many", "--recipe", "detect", "--priority", "low", "--json"
    ).json["job_id"]
    urgent = common_farm.submit(folder / "few", "--recipe", "detect", "--priority", "high")
    assert urgent["state"] == "done"
    assert common_farm.ok("status", slow, "--json").json["state"] == "running"
    common_farm.ok("cancel", slow)


def test_two_identical_requests_at_once_make_one_job(common_farm: Farmyard, folder: Path) -> None:
    pictures(folder, 30)
    before = jobs(common_farm)
    command = [sys.executable, "-m", "nasfarm", "submit", str(folder), "--recipe", "detect"]
    started = [
        subprocess.Popen(
            [*command, "--wait", "--json"], stdout=subprocess.PIPE, env=common_farm.environment()
        )
        for _ in range(4)
    ]
    answers = [json.loads(process.communicate(timeout=90)[0]) for process in started]
    assert {process.returncode for process in started} == {0}
    assert sorted(answer["existing"] for answer in answers) == [False, True, True, True]
    [job_id] = {answer["job_id"] for answer in answers}
    assert jobs(common_farm) - before == {job_id}
    assert [line["i"] for line in common_farm.lines(job_id)] == list(range(30))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["{f}", "{f}/0001.jpg"], id="folder and file"),
        pytest.param(["{f}/*.jpg", "{f}"], id="pattern and folder"),
        pytest.param(["{f}/**/*.jpg", "{f}/*"], id="two patterns"),
        pytest.param(["{f}", "{links}/all"], id="folder and a link to it from outside"),
        pytest.param(["{f}/0000.jpg", "{links}/one.jpg", "{f}"], id="link to a file"),
        pytest.param(["{f}/../{n}", "{f}/."], id="two ways to write it"),
    ],
)
def test_a_picture_reached_twice_is_one_item(
    common_farm: Farmyard, folder: Path, tmp_path: Path, arguments: list[str]
) -> None:
    one, _ = pictures(folder, 2)
    (tmp_path / "all").symlink_to(folder)
    (tmp_path / "one.jpg").symlink_to(one)
    named = [text.format(f=folder, links=tmp_path, n=folder.name) for text in arguments]
    answer = common_farm.ok("submit", *named, "--recipe", "detect", "--json").json
    assert answer["items"] == 2
    assert [item["item"] for item in manifest(common_farm, answer["job_id"])] == [
        f"photos:{folder.name}/0000.jpg", f"photos:{folder.name}/0001.jpg",
    ]  # fmt: skip


def test_relative_paths_begin_where_the_user_is(common_farm: Farmyard, folder: Path) -> None:
    pictures(folder / "sub", 2)
    for named in ("./sub/../sub", "**"):
        ran = common_farm.run("submit", named, "--recipe", "detect", "--json", cwd=folder)
        assert (ran.code, ran.json["items"]) == (0, 2), named


def test_a_folder_in_no_root_is_refused_with_the_command_that_mends_it_at_once(
    common_farm: Farmyard, folder: Path, tmp_path: Path
) -> None:
    pictures(folder, 16)
    common_farm.submit(folder, "--recipe", "detect")  # every worker has read its roots by now
    own = tmp_path / "own photos"
    pictures(own, 3)
    before = jobs(common_farm)
    refused = common_farm.run("submit", own, "--recipe", "detect")
    assert (refused.code, refused.out) == (2, "")
    assert jobs(common_farm) == before
    command = refused.err[refused.err.index("farm roots add ") :].strip()
    assert command.startswith("farm roots add NAME ")
    shell = f"exec {sys.executable} -m nasfarm {command.removeprefix('farm ')}"
    subprocess.run(
        ["sh", "-c", shell.replace("NAME", "own")],
        env=common_farm.environment(), check=True, capture_output=True,
    )  # fmt: skip
    added = time.monotonic()
    while "own" not in common_farm.nodes()[0]["roots"]:
        assert time.monotonic() - added < 2, "the running farm has not taken the root"
    answer = common_farm.submit(own, "--recipe", "detect")
    assert (answer["state"], answer["ok"]) == ("done", 3)


def test_a_wait_that_takes_too_long_ends_with_75_and_the_job_goes_on(
    common_farm: Farmyard, folder: Path
) -> None:
    pictures(folder, 16)
    ran = common_farm.run("submit", folder, "--recipe", "detect", "--wait", "--timeout", "0.05")
    assert ran.code == 75
    assert "farm wait detect-" in ran.err
    job_id = ran.err[ran.err.index("farm wait ") :].split()[2]
    assert common_farm.ok("wait", job_id, "--json").json["ok"] == 16


def test_a_job_whose_folder_is_away_says_so_and_runs_once_it_is_back(
    common_farm: Farmyard, tmp_path: Path
) -> None:
    disk = tmp_path / "usb"
    pictures(disk, 3)
    common_farm.ok("roots", "add", "usb", disk)
    (disk / ".farm-root").rename(disk / ".gone")
    wait_until(lambda: "usb" in common_farm.nodes()[0]["away"], 5, "the root is seen to be away")
    submitted = common_farm.ok("submit", disk, "--recipe", "detect")
    job_id = submitted.out.strip()
    timed_out = common_farm.run("wait", job_id, "--timeout", "0.1")
    (disk / "empty").mkdir()
    unseen = common_farm.run("submit", disk / "empty", "--recipe", "detect")
    assert (unseen.code, "the root 'usb' is away" in unseen.err) == (75, True)
    status = common_farm.ok("status", job_id)
    for said in (submitted.err, timed_out.err, status.out + status.err):
        assert "farm roots add usb" in said
    (disk / ".gone").rename(disk / ".farm-root")
    assert common_farm.ok("wait", job_id, "--timeout", 30, "--json").json["ok"] == 3
