"""The release before this one and this one: a farm is upgraded and rolled back, 0 lost, 0 doubled.

The old release runs from its own tree in an environment made from its own lock.
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from books import (
    NOTHING_WRONG,
    chunks_done,
    executions,
    finish,
    put_photos,
    records,
    with_slow_photos,
)
from farmyard import CORES, Farmyard, wait_until
from needs import needs, needs_tool
from ownbroker import PASSWORD, guides_redis
from watchedfarm import SOON, Watched, begun, small

TREE = Path(__file__).parents[2]
OLD = "20aa9e8b19f24916fe8f7f9551c3f1596da7651c"
"""The last commit of the release before this one."""

NEW = sys.executable


class Box(Watched):
    """A farm on one box; `python` says of which release. Whatever the new one starts runs, too."""

    def environment(self) -> dict[str, str]:
        said = super().environment()
        unknown = () if self.python == NEW else ("FARM_WEB_LISTEN", "FARM_FLOWER_LISTEN")
        return {name: text for name, text in said.items() if name not in unknown}

    def up(self) -> None:
        self.ok("up", "--detach")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python in whose environment the old release is installed."""
    git = needs_tool("git")
    # A container's root may look at a clone that another user made.
    command = [git, "-c", f"safe.directory={TREE}", "-C", str(TREE), "archive", OLD]
    done = subprocess.run(command, capture_output=True, check=False)
    needs(done.returncode == 0, f"this clone lacks {OLD[:7]}, the release before: git fetch")
    folder = tmp_path_factory.mktemp("release") / "old"
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=done.stdout, check=True)
    made = subprocess.run(
        ["ops/lock/venv.sh", str(folder / "venv"), "ops/lock/all.lock"],
        cwd=folder, env={**os.environ, "PYTHON": NEW}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    needs(made.returncode == 0, f"the old release cannot be installed: {made.stderr}")
    return str(folder / "venv" / "bin" / "python")


@pytest.fixture
def box(tmp_path: Path, old: str, cached_models: None) -> Iterator[Box]:
    """A farm of the old release on one box, with a queue of its own."""
    yard = Box(tmp_path, with_slow_photos(), python=old)
    try:
        yield begun(yard, SOON)
    finally:
        yard.close()


def drop(farm: Box, numbers: range) -> list[bytes]:
    """Put small pictures into the drop folder, as a camera would; their contents."""
    made = [small(n, farm.folder / "made") for n in numbers]
    for n, content in zip(numbers, made, strict=True):
        (farm.inbox / f"{n}.jpg").write_bytes(content)
    return made


def hand_in(farm: Farmyard, folder: Path, *more: str) -> str:
    return str(farm.ok("submit", folder, "--recipe", "detect", "--json", *more).json["job_id"])


def exported(farm: Farmyard, job_id: str) -> list[object]:
    """A finished job in each format for other programs, and the models there are.

    Of the table what it says: a release may add columns in which old jobs say nothing.
    """
    lines, table, coco = (
        farm.ok("results", job_id, "--format", form).out for form in ("jsonl", "csv", "coco")
    )
    rows = csv.DictReader(io.StringIO(table))
    said = [{name: text for name, text in row.items() if text} for row in rows]
    return [lines, said, coco, farm.ok("models", "list", "--json").out]


def chunks_planned(farm: Farmyard, job_id: str) -> int:
    return int(farm.ok("status", job_id, "--json").json["chunks"])


def down(farm: Box) -> None:
    farm.ok("down")


def down_by_the_new_release(farm: Box) -> None:
    """As where the program was replaced while the farm ran."""
    farm.python = NEW
    farm.ok("down")


def killed(farm: Box) -> None:
    for process in farm.processes():
        process.kill()
    wait_until(lambda: not farm.processes(), what="everything is gone")


@pytest.mark.parametrize("end", [down, down_by_the_new_release, killed])
def test_a_farm_in_the_middle_of_its_work_goes_on_under_the_new_release(
    box: Box, old: str, end: Callable[[Box], None]
) -> None:
    done = box.submit(put_photos(box, 40, name="done"), "--recipe", "detect")["job_id"]
    before = exported(box, done)
    dropped = drop(box, range(10))
    box.settled(30)
    running = hand_in(box, put_photos(box, 120, slow_s=0.2, name="running"))
    waiting = hand_in(box, put_photos(box, 60, name="waiting"), "--priority", "low")
    wait_until(lambda: chunks_done(box, running) >= 1, 60, "the job runs")
    dropped += drop(box, range(10, 20))
    box.python = NEW
    assert {job["job_id"] for job in box.ok("jobs", "--json").json} >= {done, running, waiting}
    assert box.nodes()[0]["slots"], "the new release's commands know nothing of the running farm"
    box.python = old
    end(box)
    assert chunks_done(box, running) < chunks_planned(box, running), "nothing was left to do"

    box.python = NEW
    said = box.ok("up", "--detach").err
    assert "from format 1 to 2" in said
    dropped += drop(box, range(20, 30))
    assert finish(box, running, 120, 120) == NOTHING_WRONG
    assert finish(box, waiting, 60, 60) == NOTHING_WRONG
    box.settled(60)
    assert box.contents() == {content: 1 for content in dropped}
    assert exported(box, done) == before
    assert {job["state"] for job in box.ok("jobs", "--all", "--json").json} <= {"done", "running"}
    found = {check["what"]: check["level"] for check in box.run("doctor", "--json").json}
    assert found["home format"] == "ok"
    box.ok("down")
    assert "format" not in box.ok("up", "--detach").err


# -- two boxes, one after the other ------------------------------------------------------------


@pytest.fixture
def boxes(tmp_path: Path, old: str, cached_models: None) -> Iterator[tuple[Box, Box]]:
    """Two nodes of the old release with one home and a Redis of their own."""
    with ExitStack() as stack:
        address = stack.enter_context(guides_redis(tmp_path / "redis"))
        yards = []
        for name in ("first", "second"):
            settings = {
                "FARM_BROKER_URL": f"redis://:{PASSWORD}@{address}/0",
                "FARM_NODE": name, "FARM_SLOTS": "1", **with_slow_photos(),
            }  # fmt: skip
            yard = Box(tmp_path / name, settings, python=old, shared=tmp_path / "home")
            yard.folder.mkdir()
            stack.callback(yard.close)
            yards.append(yard)
        begun(yards[0], SOON)
        yards[1].ok("init")
        yards[1].up()
        yield yards[0], yards[1]


def both_begin_another_chunk(first: Farmyard, second: Farmyard, job_id: str) -> None:
    """Wait until each of two nodes has begun a chunk after now."""
    before = [sum(executions(farm, job_id=job_id).values()) for farm in (first, second)]

    def more() -> bool:
        time.sleep(0.2)
        now = [sum(executions(farm, job_id=job_id).values()) for farm in (first, second)]
        return all(new > old for new, old in zip(now, before, strict=True))

    wait_until(more, 90, f"both work on {job_id}")


def seen(farm: Farmyard) -> list[tuple[str, int, tuple[str, ...]]]:
    """What a box's release makes of the reports of all: name, ready slots, roots."""
    return [
        (node["node"], sum(slot["state"] == "ready" for slot in node["slots"]),
         tuple(node["roots"]))
        for node in farm.nodes()
    ]  # fmt: skip


@pytest.mark.skipif(len(CORES) < 2, reason="two boxes of one slot each want two cores")
def test_two_boxes_are_upgraded_one_after_the_other_during_a_job(
    boxes: tuple[Box, Box],
) -> None:
    first, second = boxes
    count = 600
    job = hand_in(first, put_photos(first, count, slow_s=0.15))
    dropped = drop(first, range(10))
    both_begin_another_chunk(first, second, job)

    first.ok("down")
    first.python = NEW
    assert "from format 1 to 2" in first.ok("up", "--detach").err
    dropped += drop(first, range(10, 20))
    # Old and new at once: each reads the other's reports, and works on the other's jobs.
    assert seen(first) == seen(second) == [("first", 1, ("home",)), ("second", 1, ("home",))]
    both_begin_another_chunk(first, second, job)
    small_jobs = {
        hand_in(giver, put_photos(first, 60, slow_s=0.05, name=name), "--priority", "high"): giver
        for giver, name in ((first, "by-new"), (second, "by-old"))
    }
    for job_id in small_jobs:
        assert finish(second, job_id, 60, 120) == NOTHING_WRONG
        assert all(executions(farm, job_id=job_id) for farm in boxes), "one box did it all"
    for farm in boxes:  # both releases see the same of both's jobs
        states = {each["job_id"]: each["state"] for each in farm.ok("jobs", "--json").json}
        assert {states[job_id] for job_id in small_jobs} == {"done"}
    before = len(records(second, "chunk_done"))
    killed(second)
    second.python = NEW
    second.ok("up", "--detach")
    dropped += drop(first, range(20, 30))
    assert seen(first) == seen(second) == [("first", 1, ("home",)), ("second", 1, ("home",))]
    assert chunks_done(first, job) < chunks_planned(first, job), "nothing was left to do"
    assert finish(first, job, count, 300) == NOTHING_WRONG
    assert len(records(second, "chunk_done")) > before, "the second box did no more"
    first.settled(60)
    assert first.contents() == {content: 1 for content in dropped}
    twice = sum(times - 1 for times in executions(*boxes, job_id=job).values())
    print(f"{count} images; {twice} chunks were begun twice")


# -- and back ----------------------------------------------------------------------------------


def test_the_old_release_goes_on_with_what_the_new_one_has_begun(box: Box, old: str) -> None:
    box.ok("down")
    box.python = NEW
    box.ok("up", "--detach")
    dropped = drop(box, range(10))
    done = box.submit(put_photos(box, 40, name="done"), "--recipe", "detect")["job_id"]
    running = hand_in(box, put_photos(box, 120, slow_s=0.2, name="running"))
    wait_until(lambda: chunks_done(box, running) >= 1, 60, "the job runs")
    before = exported(box, done)
    box.ok("pause")
    box.ok("down")

    box.python = old
    box.ok("up", "--detach")
    dropped += drop(box, range(10, 20))
    assert finish(box, running, 120, 120) == NOTHING_WRONG
    assert exported(box, done) == before
    box.settled(60)
    assert box.contents() == {content: 1 for content in dropped}
    assert box.run("doctor").code in (0, 1)
    box.ok("down")

    box.python = NEW  # and forward again: it is of the newest format already, and held as before
    said = box.ok("up", "--detach").err
    assert "format" not in said
    assert "paused by hand" in said
    assert {job["state"] for job in box.ok("jobs", "--all", "--json").json} <= {"done", "running"}


def test_the_old_release_names_a_setting_that_it_does_not_know(
    tmp_path: Path, old: str, cached_models: None
) -> None:
    yard = Box(tmp_path)
    yard.ok("init", "--no-models")
    (yard.state / "node.yml").write_text("web.listen: 127.0.0.1:8790\n")
    yard.ok("roots", "list")
    yard.python = old
    ran = yard.run("roots", "list")
    assert (ran.code, "web.listen" in ran.err, "node.yml" in ran.err) == (2, True, True)
