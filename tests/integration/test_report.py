"""The report of a real job: there when the job has ended, and made again when it is gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from farmyard import Farmyard
from jobfolders import job_of, put_job
from nasfarm.jobs.store import JobStore
from pictures import pictures


@pytest.fixture(scope="module")
def job_id(common_farm: Farmyard) -> str:
    """Five pictures and a broken one."""
    folder = common_farm.folder / "photos" / "reported"
    pictures(folder, 5)
    (folder / "half.jpg").write_bytes(b"half a picture")
    return str(common_farm.submit(folder, "--recipe", "detect")["job_id"])


def report_of(yard: Farmyard, job_id: str) -> Path:
    return yard.home / "jobs" / job_id / "report.html"


def test_when_a_job_has_ended_its_report_is_there(common_farm: Farmyard, job_id: str) -> None:
    text = report_of(common_farm, job_id).read_text()
    assert "6 pictures" in text and "half.jpg" in text and "1 failed" in text
    assert text.count("data:image/jpeg;base64,") == 5
    thumbs = list((common_farm.home / "jobs" / job_id / "thumbs").iterdir())
    assert len(thumbs) == 5


def test_farm_report_says_where_it_is(common_farm: Farmyard, job_id: str) -> None:
    path = report_of(common_farm, job_id)
    assert common_farm.ok("report", job_id).out.strip() == str(path)
    told = common_farm.ok("report", job_id, "--json").json
    assert told == {"job_id": job_id, "path": str(path), "made": False}


def test_a_report_that_is_gone_is_made_again_as_it_was(common_farm: Farmyard, job_id: str) -> None:
    path = report_of(common_farm, job_id)
    summary = path.with_name("summary.json").read_bytes()
    before = path.read_bytes()
    thumbs = {thumb: os.stat(thumb).st_ino for thumb in path.with_name("thumbs").iterdir()}
    path.unlink()
    assert common_farm.ok("report", job_id, "--json", "--timeout", 60).json["made"] is True
    assert path.read_bytes() == before, "the speed is the job's, not the report's"
    assert path.with_name("summary.json").read_bytes() == summary
    assert {thumb: os.stat(thumb).st_ino for thumb in thumbs} == thumbs, (
        "no picture is opened again"
    )
    assert common_farm.ok("status", job_id, "--json").json["state"] == "done"


def test_a_job_that_never_ended_has_no_report_and_is_told_so(common_farm: Farmyard) -> None:
    jobs = JobStore(common_farm.home / "jobs")
    made = put_job(jobs, job_of("detect-cancelled")).job_id
    jobs.cancel(made)
    ran = common_farm.run("report", made)
    assert ran.code == 2
    assert "is cancelled and has no report" in ran.err and f"farm results {made}" in ran.err


def test_an_unknown_job_names_the_nearest(common_farm: Farmyard, job_id: str) -> None:
    ran = common_farm.run("report", job_id[:-1] + "x")
    assert ran.code == 2 and job_id in ran.err
