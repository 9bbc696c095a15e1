"""Disks run full, go away, refuse links, fail: no image is lost, and the node rejoins alone."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from disks import (
    away,
    ext2_image,
    ext4_image,
    failing,
    fill,
    full,
    home_megabytes,
    mounted,
    run,
    share_without_links,
    small_disk,
)
from PIL import Image

from farmyard import Farmyard, kill9, wait_until
from nasfarm.errors import StorageError
from nasfarm.storage.atomic import publish_by_rename, publish_file
from needs import needs_tool

IMAGES, IN_A_CHUNK = 600, 8
LEASE_S = 6
FINISH_S = 150

RECIPE = f"""
name: some
help: Detects like detect, in chunks of {IN_A_CHUNK}.
stages:
  - {{name: detect, model: nanodet-g, of: image}}
params:
  - {{name: score, type: number, default: 0.35, least: 0.05, most: 1, help: Least score.}}
map: detect
chunk_items: {IN_A_CHUNK}
max_side: 416
"""


@contextmanager
def started(folder: Path) -> Iterator[Farmyard]:
    """A farm that is up; its home may be a disk that is mounted already."""
    farm = Farmyard(folder, {"FARM_LEASE_S": str(LEASE_S)})
    try:
        farm.ok("init")
        (farm.home / "recipes" / "some.yml").write_text(RECIPE)
        farm.up()
        yield farm
    finally:
        farm.close()


def photos(farm: Farmyard, folder: Path, count: int = IMAGES) -> Path:
    """Small photos in `folder`, which becomes a root of that name."""
    folder.mkdir(exist_ok=True)
    first = folder / "0000.jpg"
    Image.effect_noise((64, 48), 60).convert("RGB").save(first, "JPEG")
    for i in range(1, count):
        os.link(first, folder / f"{i:04d}.jpg")
    farm.ok("roots", "add", folder.name, folder)
    return folder


def begin(farm: Farmyard, folder: Path) -> str:
    """A job of which some chunks are done, and most are not."""
    job_id: str = farm.ok("submit", folder, "--recipe", "some", "--json").json["job_id"]
    wait_until(lambda: len(final_files(farm, job_id)) >= 3, 60, "no chunk is done")
    assert status(farm, job_id)["state"] == "running"
    return job_id


def status(farm: Farmyard, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = farm.ok("status", job_id, "--json").json
    return answer


def final_files(farm: Farmyard, job_id: str) -> list[Path]:
    folder = farm.home / "jobs" / job_id / "chunks"
    return [path for path in folder.iterdir() if path.name[0] != "." and path.suffix == ".jsonl"]


def chunks_planned(farm: Farmyard, job_id: str) -> int:
    """How many chunks the job was cut into. Of its file: the farm may be down."""
    last = json.loads((farm.home / "jobs" / job_id / "job.json").read_bytes())["plan"][-1]
    return int(last["first"] - (last["start"] - last["stop"]) // last["size"])


def check_final_files_are_whole(farm: Farmyard, job_id: str) -> None:
    """A chunk's file has every line of the chunk, or it is not there."""
    for path in final_files(farm, job_id):
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        assert 1 <= len(lines) <= IN_A_CHUNK, path
        numbers = [line["i"] for line in lines]
        assert numbers == [*range(numbers[0], numbers[0] + len(lines))], path
        assert path.read_bytes().endswith(b"\n"), path


def check_all_there(farm: Farmyard, job_id: str, count: int = IMAGES) -> None:
    """Lost, doubled, wrongly failed: 0, 0, 0."""
    ran = farm.run("wait", job_id, "--timeout", FINISH_S, "--json")
    lines = farm.lines(job_id) if ran.code in (0, 1) else []
    numbers = [line["i"] for line in lines]
    lost, doubled = count - len(set(numbers)), len(numbers) - len(set(numbers))
    failed = [line for line in lines if line["status"] != "ok"]
    print(f"lost {lost}, doubled {doubled}, wrongly failed {len(failed)}")
    assert (ran.code, lost, doubled, failed) == (0, 0, 0, []), ran.err
    check_final_files_are_whole(farm, job_id)


def attempts(farm: Farmyard, job_id: str) -> list[int]:
    """The attempt of every execution of a job's chunks that the slots' logs tell of."""
    found = []
    for path in (farm.state / "logs").glob("slot?.jsonl"):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if record.get("action") == "chunk_begun" and record["job"] == job_id:
                found.append(record["attempt"])
    return found


def node(farm: Farmyard) -> dict[str, Any]:
    [one] = farm.nodes()
    return dict(one)


def test_a_full_disk_makes_the_node_step_aside_until_there_is_room(
    tmp_path: Path, cached_models: None, chance: random.Random
) -> None:
    megabytes = home_megabytes(tmp_path) + 16
    with small_disk(tmp_path / "home", megabytes), started(tmp_path) as farm:
        survive(farm, chance, full(farm.home), "No space left on device")


def test_a_disk_that_fails_makes_the_node_step_aside_until_it_works_again(
    tmp_path: Path, cached_models: None, chance: random.Random
) -> None:
    home = tmp_path / "home"
    bed = ext4_image(tmp_path / "bed.img", 300)
    with mounted(bed, tmp_path / "bed", "-o", "loop") as medium:
        image = ext2_image(medium / "home.img", 250)
        with mounted(image, home, "-t", "ext2", "-o", "loop"), started(tmp_path) as farm:
            job_id = survive(farm, chance, failing(image), "Input/output error")
            farm.close()
            run("umount", home)
            # What a disk did not take may live on in memory: what counts is what it has kept.
            with mounted(image, home, "-t", "ext2", "-o", "loop"):
                assert len(farm.lines(job_id)) == IMAGES
                assert len(final_files(farm, job_id)) == chunks_planned(farm, job_id)
                check_final_files_are_whole(farm, job_id)


def survive(
    farm: Farmyard, chance: random.Random, fault: AbstractContextManager[None], reason: str
) -> str:
    """Have a fault in the middle of a job, until some time after it was noticed; the job."""
    job_id = begin(farm, photos(farm, farm.folder / "photos"))
    time.sleep(chance.uniform(0, 1.5))
    with fault:
        aside_s = wait_until(lambda: node(farm)["paused"] != "", 30, "the node goes on")
        assert reason in farm.ok("nodes").out
        assert reason in status(farm, job_id)["note"]
        time.sleep(3)
        before = final_files(farm, job_id)
        check_final_files_are_whole(farm, job_id)
    back_s = wait_until(lambda: node(farm)["paused"] == "", 30, "the node stays away")
    print(f"aside after {aside_s:.1f} s, back after {back_s:.1f} s, {len(before)} chunks done")
    check_all_there(farm, job_id)
    assert len(before) < chunks_planned(farm, job_id), "the job was done before the disk failed"
    assert set(attempts(farm, job_id)) == {1}, "an attempt was spent"
    return job_id


def test_a_root_that_goes_away_and_comes_back_costs_no_image(
    tmp_path: Path, cached_models: None, chance: random.Random
) -> None:
    image = ext4_image(tmp_path / "photos.img", 64)
    disk = tmp_path / "photos"
    with mounted(image, disk, "-o", "loop"), started(tmp_path) as farm:
        (disk / "lost+found").rmdir()
        job_id = begin(farm, photos(farm, disk))
        time.sleep(chance.uniform(0, 1.5))
        away(disk)
        wait_until(lambda: "photos" in node(farm)["away"], 10, "nobody sees that it is away")
        assert "photos" in farm.ok("nodes").out

        other = photos(farm, tmp_path / "other", 40)
        meanwhile = farm.submit(other, "--recipe", "some", timeout_s=60)
        assert (meanwhile["state"], meanwhile["ok"]) == ("done", 40)
        now = status(farm, job_id)
        assert now["state"] == "running"
        assert now["errors"] == 0
        assert "photos" in now["note"]
        print(f"away with {now['ok']} of {IMAGES} done; the other job of 40 is done")

        with mounted(image, disk, "-o", "loop"):
            wait_until(lambda: "photos" in node(farm)["roots"], 10, "it does not come back")
            check_all_there(farm, job_id)
            assert set(attempts(farm, job_id)) == {1}, "an attempt was spent"
            farm.close()


def test_a_home_that_goes_away_and_comes_back_costs_no_image(
    tmp_path: Path, cached_models: None, chance: random.Random
) -> None:
    image = ext4_image(tmp_path / "home.img", 300)
    with mounted(image, tmp_path / "home", "-o", "loop") as disk, started(tmp_path) as farm:
        job_id = begin(farm, photos(farm, tmp_path / "photos"))
        time.sleep(chance.uniform(0, 1.5))
        away(disk)
        wait_until(lambda: "home" in node(farm)["away"], 10, "nobody sees that it is away")
        time.sleep(8)  # longer than a lease, and than the pause between two reconciles
        assert list(disk.iterdir()) == [], "something was written where the home was mounted"
        assert farm.run("doctor").code == 2
        with mounted(image, disk, "-o", "loop"):
            wait_until(lambda: "home" in node(farm)["roots"], 30, "it does not come back")
            check_all_there(farm, job_id)
            assert set(attempts(farm, job_id)) == {1}, "an attempt was spent"
            farm.close()


def test_a_root_that_comes_and_goes_again_and_again_makes_no_item_missing(
    tmp_path: Path, cached_models: None, chance: random.Random
) -> None:
    image = ext4_image(tmp_path / "photos.img", 64)
    disk = tmp_path / "photos"
    with mounted(image, disk, "-o", "loop"), started(tmp_path) as farm:
        job_id = begin(farm, photos(farm, disk))
        for _ in range(8):
            away(disk)
            time.sleep(chance.uniform(0, 0.8))
            with_it = mounted(image, disk, "-o", "loop")
            with_it.__enter__()
            time.sleep(chance.uniform(0, 0.8))
        check_all_there(farm, job_id)
        farm.close()
        away(disk)


def kill_someone(farm: Farmyard, chance: random.Random) -> str:
    """Kill a slot's worker or its pool child; a report may still name one that has just died."""
    while True:
        try:
            parent = psutil.Process(chance.choice([pid for pid in farm.slot_pids() if pid]))
            victim = chance.choice([parent, *parent.children()[:1]])
            victim.kill()
        except (psutil.NoSuchProcess, IndexError):
            time.sleep(0.2)
            continue
        victim.wait(10)
        return "worker" if victim == parent else "pool child"


def test_on_a_share_without_hard_links_results_are_published_by_rename(
    tmp_path: Path, cached_models: None, chance: random.Random
) -> None:
    with (
        share_without_links(tmp_path / "below", tmp_path / "home"),
        started(tmp_path) as farm,
    ):
        told = {found["what"]: found["found"] for found in farm.run("doctor", "--json").json}
        assert "rename" in told["publishing"]
        job_id = begin(farm, photos(farm, tmp_path / "photos"))
        for _ in range(5):
            time.sleep(chance.uniform(0, 2))
            print(f"kill -9 of a {kill_someone(farm, chance)}")
        check_all_there(farm, job_id)
        drafts = [path.name for path in (farm.home / "jobs" / job_id / "chunks").glob(".*")]
        print(f"drafts of killed workers left: {len(drafts)}")
        assert len(drafts) <= 5


@pytest.mark.parametrize("by", ["link", "rename"])
def test_where_the_medium_fails_nothing_final_appears(tmp_path: Path, by: str) -> None:
    """An ext4 that has room, on a medium that takes no content any more."""
    needs_tool("mkfs.ext4", "e2fsprogs")
    with small_disk(tmp_path / "medium", 40) as medium:
        image = ext4_image(medium / "disk.img", 64)
        with mounted(image, tmp_path / "disk", "-o", "loop") as disk:
            ballast = fill(medium)
            path, content = disk / "0.jsonl", os.urandom(4 << 20)
            with pytest.raises(StorageError, match=r"No space left|Input/output") as raised:
                publish(by, path, content)  # room was there: forcing it out fails
            assert raised.value.code == "write"
            assert not path.exists()
            assert [entry.name for entry in disk.iterdir()] == ["lost+found"]
            ballast.unlink()
            assert publish(by, path, content)
            assert path.read_bytes() == content


def test_a_share_that_dies_before_the_rename_gets_nothing_final(tmp_path: Path) -> None:
    def its_server_dies() -> None:
        [server] = (child for child in psutil.Process().children() if child.name() == "sftp-server")
        kill9(server.pid)
        server.wait(5)

    below = tmp_path / "below"
    with share_without_links(below, tmp_path / "share") as share:
        path = share / "0.jsonl"
        with pytest.raises(StorageError) as raised:
            publish_by_rename(path, b"{}\n" * 1000, "fence", its_server_dies)
        print(raised.value)
        assert raised.value.code == "write"
        assert [entry.name for entry in below.iterdir()] == [".0.jsonl.fence"]


def publish(by: str, path: Path, content: bytes) -> bool:
    if by == "link":
        return publish_file(path, content)
    return publish_by_rename(path, content, "fence", lambda: None)
