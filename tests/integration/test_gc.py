"""`farm gc` as a user runs it, and killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from farmyard import Farmyard
from jobfolders import job_of, opened_home, put_done, put_job
from nasfarm.home import Home

RULES = """\
recipes:
  detect:
    keep_days: 30
keep.jobs_days: 365
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = opened_home(tmp_path)
    (tmp_path / "home" / "farm.yml").write_text(RULES)
    return home


@pytest.fixture
def yard(home: Home, tmp_path: Path) -> Farmyard:
    return Farmyard(tmp_path)


def test_it_says_what_it_would_do_and_does_it(home: Home, yard: Farmyard) -> None:
    put_done(home.jobs, "watch-detect-2020-01-01", ended=1.0)
    put_done(home.jobs, "detect-old", ended=1.0)
    put_done(home.jobs, "detect-new")
    put_job(home.jobs, job_of("watch-detect-2020-01-02"))
    day = yard.home / "inbox" / ".taken" / "detect" / "2020-01-01"
    day.mkdir(parents=True)
    (day / "a.jpg").write_bytes(b"x" * 2_000_000)

    told = yard.ok("gc", "--dry-run")
    assert "inbox/.taken/detect/2020-01-01" in told.out
    assert "2.0 MB would be freed. Nothing was removed." in told.err
    assert "jobs/watch-detect-2020-01-02 stays: it has not ended" in told.err
    assert day.exists()

    done = yard.ok("gc", "--json").json
    assert {each["name"] for each in done["removed"]} == {
        "inbox/.taken/detect/2020-01-01", "jobs/watch-detect-2020-01-01", "jobs/detect-old"
    }  # fmt: skip
    assert done["bytes"] > 2_000_000
    assert set(home.jobs.ids()) == {"detect-new", "watch-detect-2020-01-02"}
    assert "Nothing to remove" in yard.ok("gc").err


def test_killed_at_any_moment_it_leaves_whole_jobs_or_none(
    home: Home, yard: Farmyard, chance: random.Random
) -> None:
    for turn in range(4):
        ids = [f"detect-{turn}{n:03}" for n in range(25)]
        for job_id in ids:
            put_done(home.jobs, job_id, ended=1.0)
            for n in range(30):
                (home.jobs.path(job_id) / "chunks" / f".{n}").touch()
        process = subprocess.Popen(
            [sys.executable, "-m", "nasfarm", "gc"], env=yard.environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        begun = time.monotonic()
        while len(home.jobs.ids()) == len(ids) and time.monotonic() - begun < 20:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.wait()
        for job_id in home.jobs.ids():
            assert len(os.listdir(home.jobs.path(job_id) / "chunks")) == 31
        yard.ok("gc")
        assert os.listdir(home.jobs.folder) == []
