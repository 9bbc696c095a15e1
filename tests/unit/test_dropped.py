"""What is put beside dropped files: sidecars, a table, quarantine; and a disk that refuses it."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobfolders import line, put_chunk, put_done
from nasfarm.jobs.daily import show_day
from nasfarm.jobs.dropped import Day
from nasfarm.jobs.failures import Failure
from nasfarm.jobs.quarantine import sort_out
from nasfarm.jobs.results import write_results
from nasfarm.jobs.sidecars import write_sidecars
from nasfarm.jobs.store import JobStore

JOB = "watch-detect-2026-11-23"
ABOVE = "home:inbox/.taken/detect/2026-11-23/"


@pytest.fixture
def day(tmp_path: Path) -> Day:
    day = Day(tmp_path, "detect", "2026-11-23")
    day.taken.mkdir(parents=True)
    return day


def dropped(day: Day, name: str, content: bytes = b"a picture") -> Path:
    path = day.taken / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def frame(i: int, number: int, error: str = "") -> dict[str, Any]:
    return line(i, error, ABOVE + "a.mp4") | {"frame": {"number": number, "seconds": number / 25}}


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("item", "name"),
    [
        pytest.param("a.jpg", "a.jpg", id="plain"),
        pytest.param("yard/door cam/雨.jpg", "yard/door cam/雨.jpg", id="folders"),
        pytest.param("100%25.jpg", "100%.jpg", id="percent"),
        pytest.param("caf%E9.jpg", os.fsdecode(b"caf\xe9.jpg"), id="not UTF-8"),
    ],
)
def test_a_line_lies_beside_its_file(day: Day, item: str, name: str) -> None:
    dropped(day, name)
    said = line(3, item=ABOVE + item)
    assert write_sidecars(day, [said]) == 1
    assert json.loads((day.taken / f"{name}.json").read_bytes()) == said
    assert everything(day.taken) == {name, f"{name}.json"}


@pytest.mark.parametrize(
    "item",
    [
        pytest.param("photos:a.jpg", id="another root"),
        pytest.param("home:inbox/.taken/detect/2026-11-22/a.jpg", id="another day"),
        pytest.param("home:inbox/detect/a.jpg", id="left in the inbox"),
        pytest.param(ABOVE + "n" * 252 + ".jpg", id="no room for the ending"),
        pytest.param(ABOVE + "gone/a.jpg", id="its folder is gone"),
    ],
)
def test_nothing_is_written_beside_other_files(day: Day, item: str) -> None:
    assert write_sidecars(day, [line(0, item=item)]) == 0
    assert everything(day.home) == set()


def test_the_same_line_again_writes_nothing_and_a_new_one_replaces_it(day: Day) -> None:
    dropped(day, "a.jpg")
    bad, good = line(0, "decode", ABOVE + "a.jpg"), line(0, item=ABOVE + "a.jpg")
    assert [write_sidecars(day, [said]) for said in (bad, bad, good, good)] == [1, 0, 1, 0]
    assert json.loads((day.taken / "a.jpg.json").read_bytes())["status"] == "ok"


def test_a_videos_lines_are_gathered_whatever_order_they_come_in(day: Day) -> None:
    dropped(day, "a.mp4")
    write_sidecars(day, [frame(7, 50), frame(6, 25, "timeout")])
    write_sidecars(day, [frame(5, 0), frame(6, 25)])
    rows = json.loads((day.taken / "a.mp4.json").read_bytes())
    assert [(row["i"], row["frame"]["number"], row["status"]) for row in rows] == [
        (5, 0, "ok"), (6, 25, "ok"), (7, 50, "ok")
    ]  # fmt: skip


def test_a_link_among_the_dropped_folders_leads_nowhere(day: Day, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (day.taken / "out").symlink_to(outside)
    day.quarantine.mkdir(parents=True)
    (day.quarantine / "out").symlink_to(outside)
    said = line(0, "decode", ABOVE + "out/a.jpg")
    assert write_sidecars(day, [said]) == 0
    sort_out(day, JOB, [said], {})
    assert everything(outside) == set()


def test_a_failed_file_gets_a_second_name_and_the_reason(day: Day) -> None:
    file = dropped(day, "yard/a.jpg")
    sort_out(day, JOB, [line(4, "decode", ABOVE + "yard/a.jpg")], {4: Failure(4, 3, "nas", "")})
    assert (day.quarantine / "yard" / "a.jpg").samefile(file)
    assert json.loads((day.quarantine / "yard" / "a.jpg.reason.json").read_bytes()) == {
        "code": "decode", "message": "it is broken", "job": JOB, "item": ABOVE + "yard/a.jpg",
        "i": 4, "attempts": 3,
    }  # fmt: skip


def test_a_disk_without_hard_links_gets_a_copy(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_keywords: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    file = dropped(day, "a.jpg")
    monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):
        sort_out(day, JOB, [line(0, "decode", ABOVE + "a.jpg")], {})
    copy = day.quarantine / "a.jpg"
    assert copy.read_bytes() == file.read_bytes()
    assert not copy.samefile(file)
    assert everything(day.quarantine) == {"a.jpg", "a.jpg.reason.json"}


def test_of_a_file_that_is_gone_only_the_reason_is_kept(day: Day) -> None:
    sort_out(day, JOB, [line(0, "missing", ABOVE + "a.jpg")], {})
    assert everything(day.quarantine) == {"a.jpg.reason.json"}


def test_a_retry_that_goes_well_takes_the_file_out(day: Day) -> None:
    file = dropped(day, "a.jpg")
    sort_out(day, JOB, [line(0, "decode", ABOVE + "a.jpg")], {})
    sort_out(day, JOB, [line(0, item=ABOVE + "a.jpg")], {})
    assert everything(day.quarantine) == set()
    assert file.exists()


def test_a_video_stays_until_the_frame_that_failed_goes_well(day: Day) -> None:
    dropped(day, "a.mp4")
    sort_out(day, JOB, [frame(0, 0), frame(1, 25, "decode"), frame(2, 50)], {})
    sort_out(day, JOB, [frame(3, 75)], {})
    assert everything(day.quarantine) == {"a.mp4", "a.mp4.reason.json"}
    sort_out(day, JOB, [frame(1, 25)], {})
    assert everything(day.quarantine) == set()


@pytest.fixture
def jobs(day: Day) -> JobStore:
    """A job of two dropped files, of which the first has failed."""
    (day.home / "jobs").mkdir()
    jobs = JobStore(day.home / "jobs")
    put_done(jobs, JOB)
    lines = [line(0, "decode", ABOVE + "0.jpg"), line(1, item=ABOVE + "1.jpg")]
    put_chunk(jobs, JOB, 0, lines)
    dropped(day, "0.jpg")
    dropped(day, "1.jpg")
    refresh(jobs, lines)
    return jobs


def refresh(jobs: JobStore, lines: list[dict[str, Any]]) -> None:
    rows = (json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in lines)
    write_results(jobs.results(JOB), rows)


def show(jobs: JobStore, day: Day, **more: bool) -> int:
    """Show what is new; returns of how many chunks."""
    steps: list[int] = []
    wanted = {"sidecars": True, "daily_csv": True} | more
    assert show_day(jobs, JOB, day, lambda: steps.append(1), **wanted)
    return len(steps)


def test_each_chunk_is_shown_once_and_all_again_when_the_day_is_over(
    day: Day, jobs: JobStore
) -> None:
    assert show(jobs, day) == 1
    assert everything(day.taken) == {"0.jpg", "0.jpg.json", "1.jpg", "1.jpg.json", "results.csv"}
    assert everything(day.quarantine) == {"0.jpg", "0.jpg.reason.json"}
    (day.taken / "1.jpg.json").write_bytes(b"")  # a power cut
    assert show(jobs, day) == 0
    assert show(jobs, day, last=True) == 1
    assert json.loads((day.taken / "1.jpg.json").read_bytes())["i"] == 1


def test_a_retry_changes_sidecar_table_and_quarantine(day: Day, jobs: JobStore) -> None:
    show(jobs, day)
    put_chunk(jobs, JOB, 1, [line(0, item=ABOVE + "0.jpg")])
    refresh(jobs, [line(0, item=ABOVE + "0.jpg"), line(1, item=ABOVE + "1.jpg")])
    for last in (False, True):
        show(jobs, day, last=last)
        assert json.loads((day.taken / "0.jpg.json").read_bytes())["status"] == "ok"
        assert everything(day.quarantine) == set()
        with open(day.csv, encoding="utf-8-sig", newline="") as file:
            assert [row["status"] for row in csv.DictReader(file)] == ["ok", "ok"]


def test_what_is_not_asked_for_is_not_written(day: Day, jobs: JobStore) -> None:
    show(jobs, day, sidecars=False, daily_csv=False)
    assert everything(day.taken) == {"0.jpg", "1.jpg"}


@pytest.mark.parametrize("refused", ["sidecar", "csv", "quarantine", "mark"])
def test_a_full_disk_fails_nothing_and_the_next_turn_makes_up_for_it(
    day: Day, jobs: JobStore, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = {"sidecar": ".jpg.json", "csv": ".csv", "quarantine": ".reason.json",
              "mark": ".shown.json"}[refused]  # fmt: skip
    replace: Callable[..., Path] = Path.replace

    def full(path: Path, target: Path) -> Path:
        if str(target).endswith(ending):
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        assert not show_day(jobs, JOB, day, lambda: None, sidecars=True, daily_csv=True)
        assert not [name for name in everything(day.home) if "/." in name.replace("/.taken", "")]
    assert show(jobs, day) == 1
    assert everything(day.taken) == {"0.jpg", "0.jpg.json", "1.jpg", "1.jpg.json", "results.csv"}
    assert everything(day.quarantine) == {"0.jpg", "0.jpg.reason.json"}
