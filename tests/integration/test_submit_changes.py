"""What happens to pictures between submit and run costs their own line, and no more."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from farmyard import Farmyard, wait_until
from pictures import picture, pictures, socket_at


@contextmanager
def frozen(yard: Farmyard) -> Iterator[None]:
    """No worker takes anything meanwhile."""
    parents = [psutil.Process(pid) for pid in yard.slot_pids()]
    processes = [each for parent in parents for each in (parent, *parent.children(recursive=True))]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def test_a_file_that_changes_between_submit_and_run_costs_its_own_line_only(
    common_farm: Farmyard, folder: Path, samples: dict[str, Path], tmp_path: Path
) -> None:
    outside = tmp_path / "secret.png"
    shutil.copy(samples["astronaut.png"], outside)
    changes: dict[str, tuple[Callable[[Path], object], str]] = {
        "deleted.jpg": (lambda path: None, "missing"),
        "pipe.jpg": (os.mkfifo, "missing"),
        "folder.jpg": (lambda path: path.mkdir(), "missing"),
        "socket.jpg": (socket_at, "missing"),
        "link-out.jpg": (lambda path: path.symlink_to(outside), "missing"),
        "loop.jpg": (lambda path: path.symlink_to(path.name), "missing"),
        "locked.jpg": (lambda path: picture(path).chmod(0), "forbidden"),
        "emptied.jpg": (lambda path: path.touch(), "decode"),
    }
    for name in (*changes, "kept.jpg", "sub/gone.jpg", "sub2/gone.jpg"):
        picture(folder / name)
    with frozen(common_farm):
        answer = common_farm.ok("submit", folder, "--recipe", "detect", "--json").json
        for name, (change, _) in changes.items():
            (folder / name).unlink()
            change(folder / name)
        shutil.rmtree(folder / "sub")
        shutil.rmtree(folder / "sub2")
        (folder / "sub2").write_bytes(b"a file where a folder was")
    end = common_farm.run("wait", answer["job_id"], "--timeout", 30, "--json")
    assert (end.code, end.json["state"]) == (1, "done"), end.err
    lines = common_farm.lines(answer["job_id"])
    said = {
        line["item"].partition(f"{folder.name}/")[2]: line.get("error", {}).get("code", "ok")
        for line in lines
    }
    assert said == {
        **{name: code for name, (_, code) in changes.items()},
        "kept.jpg": "ok",
        "sub/gone.jpg": "missing",
        "sub2/gone.jpg": "missing",
    }


def test_a_disk_that_goes_away_costs_no_picture_its_line(
    common_farm: Farmyard, tmp_path: Path
) -> None:
    disk, away = tmp_path / "disk", tmp_path / "away"
    pictures(disk, 6)
    common_farm.ok("roots", "add", "disk", disk)
    wait_until(lambda: "disk" in common_farm.nodes()[0]["roots"], 5, "the root is taken")
    with frozen(common_farm):
        job_id = common_farm.ok("submit", disk, "--recipe", "detect", "--json").json["job_id"]
        disk.rename(away)
        disk.mkdir()  # as an unmounted disk leaves it
    time.sleep(1)  # for the workers to look there
    assert common_farm.ok("status", job_id, "--json").json["errors"] == 0
    disk.rmdir()
    away.rename(disk)
    end = common_farm.ok("wait", job_id, "--timeout", 30, "--json").json
    assert (end["state"], end["ok"]) == ("done", 6)
