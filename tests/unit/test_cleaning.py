"""The keep rules: what is older goes whole, and nothing else is touched, whatever its name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobfolders import job_of, opened_home, put_done, put_job
from nasfarm.core.jobs import Refreshed
from nasfarm.gc import Cleaned, KeepRules, gc
from nasfarm.home import Home
from nasfarm.jobs.index import Ended, open_index
from nasfarm.jobs.reopened import mark, marks
from nasfarm.storage.removal import LEFTOVER
from watchedjobs import WatchedJob

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
WATCHED = KeepRules(recipes={"detect": 30})
JOBS = KeepRules(jobs_days=10)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home beside a folder of originals, which every test leaves as it is."""
    originals = tmp_path / "originals" / "2026-01-01"
    originals.mkdir(parents=True)
    (originals / "dear.jpg").write_bytes(b"irreplaceable")
    yield opened_home(tmp_path)
    assert (originals / "dear.jpg").read_bytes() == b"irreplaceable"


def place(home: Home) -> Path:
    return home.roots["home"]


def taken(home: Home, day: str, recipe: str = "detect") -> Path:
    """A dropped file of that day, which nobody has looked at."""
    file = place(home) / "inbox" / ".taken" / recipe / day / "yard" / "a.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1234567890")
    return file


def watched(home: Home, day: str, recipe: str = "detect") -> Path:
    """A dropped file of that day; its job has ended, and it has failed."""
    file = taken(home, day, recipe)
    put_done(home.jobs, f"watch-{recipe}-{day}", errors=1)
    second = place(home) / "quarantine" / recipe / day / "yard" / "a.jpg"
    second.parent.mkdir(parents=True)
    os.link(file, second)
    return file


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def names(cleaned: Cleaned) -> list[str]:
    return [each.name for each in cleaned.removed]


def test_watched_work_goes_so_many_days_after_its_day(home: Home) -> None:
    for day in ("2026-10-23", "2026-10-24", "2026-10-25"):
        watched(home, day)
    watched(home, "2026-10-01", recipe="ocr")  # no rule
    done = gc(home, WATCHED, NOW, dry_run=False)  # the 23rd ended 30 days and 10 hours ago
    assert names(done) == [
        "inbox/.taken/detect/2026-10-23",
        "quarantine/detect/2026-10-23",
        "jobs/watch-detect-2026-10-23",
    ]
    assert set(home.jobs.ids()) == {
        "watch-detect-2026-10-24", "watch-detect-2026-10-25", "watch-ocr-2026-10-01"
    }  # fmt: skip
    assert not (place(home) / "inbox/.taken/detect/2026-10-23").exists()
    assert (place(home) / "inbox/.taken/ocr/2026-10-01/yard/a.jpg").exists()
    assert gc(home, WATCHED, NOW, dry_run=False).removed == ()


def test_a_dry_run_says_the_same_and_removes_nothing(home: Home) -> None:
    watched(home, "2026-10-01")
    put_done(home.jobs, "detect-old", ended=1.0)
    (home.jobs.folder / ".new-stale").mkdir()
    os.utime(home.jobs.folder / ".new-stale", (1, 1))
    rules = KeepRules(recipes={"detect": 30}, jobs_days=10, logs_days=1)
    before = everything(place(home))
    told = gc(home, rules, NOW, dry_run=True)
    assert everything(place(home)) == before
    done = gc(home, rules, NOW, dry_run=False)
    assert (told.removed, told.bytes, told.kept) == (done.removed, done.bytes, done.kept)
    assert len(done.removed) == 5
    assert told.dry_run


def test_a_file_with_a_second_name_in_quarantine_is_counted_once(home: Home) -> None:
    watched(home, "2026-10-01")
    sizes = {each.what: each.bytes for each in gc(home, WATCHED, NOW, dry_run=True).removed}
    assert (sizes["taken"], sizes["quarantine"]) == (10, 0)
    folder = home.jobs.path("watch-detect-2026-10-01")
    assert sizes["job"] == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def test_a_job_that_has_not_ended_stays_with_its_files(home: Home) -> None:
    file = taken(home, "2026-10-01")
    put_job(home.jobs, job_of("watch-detect-2026-10-01"))
    put_job(home.jobs, job_of("detect-old"))
    done = gc(home, KeepRules(recipes={"detect": 1}, jobs_days=0.001), NOW, dry_run=False)
    assert done.removed == ()
    assert [each.name for each in done.kept] == ["jobs/watch-detect-2026-10-01"]
    assert file.exists()


def test_a_watched_day_goes_when_it_is_sealed_and_its_results_hold_all(home: Home) -> None:
    file = taken(home, "2026-10-01")
    job = WatchedJob(home.jobs, "detect", "2026-10-01").made()
    job.see("yard/a.jpg")
    home.jobs.refresh(job.job_id, Refreshed(((0, 1),)))
    assert gc(home, WATCHED, NOW, dry_run=False).removed == ()
    home.jobs.seal(job.job_id)
    home.jobs.refresh(job.job_id, Refreshed((), sealed=True))
    assert gc(home, WATCHED, NOW, dry_run=False).removed == ()
    assert file.exists()
    home.jobs.refresh(job.job_id, Refreshed(((0, 1),), sealed=True))
    assert len(gc(home, WATCHED, NOW, dry_run=False).removed) == 2
    assert home.jobs.ids() == []


def test_a_watched_day_that_could_not_be_finished_stays_with_its_files(home: Home) -> None:
    file = taken(home, "2026-10-01")
    job = WatchedJob(home.jobs, "detect", "2026-10-01").made()
    job.plan(1, name="yard/a.jpg")
    home.jobs.seal(job.job_id)
    home.jobs.fail(job.job_id, "the model is gone")
    done = gc(home, WATCHED, NOW, dry_run=False)
    assert done.removed == ()
    assert [each.why for each in done.kept] == [
        "it could not be finished: farm retry watch-detect-2026-10-01"
    ]
    assert file.exists()


def test_dropped_files_that_no_job_has_looked_at_stay(home: Home) -> None:
    file = taken(home, "2026-10-01")
    done = gc(home, WATCHED, NOW, dry_run=False)
    assert done.removed == ()
    assert [(each.name, each.why) for each in done.kept] == [
        ("inbox/.taken/detect/2026-10-01", "no job has looked at it: farm watch")
    ]
    assert file.exists()


def test_jobs_go_by_the_time_they_ended(home: Home) -> None:
    day_s = 86_400
    put_done(home.jobs, "detect-old", ended=NOW.timestamp() - 11 * day_s)
    put_done(home.jobs, "detect-new", ended=NOW.timestamp() - 9 * day_s)
    put_done(home.jobs, "watch-detect-2026-01-01", ended=NOW.timestamp() - 300 * day_s)
    put_job(home.jobs, job_of("detect-stopped"))
    home.jobs.cancel("detect-stopped")
    os.utime(home.jobs.path("detect-stopped") / "cancelled", (1, 1))
    assert names(gc(home, JOBS, NOW, dry_run=False)) == ["jobs/detect-old", "jobs/detect-stopped"]
    assert set(home.jobs.ids()) == {"detect-new", "watch-detect-2026-01-01"}


def test_without_rules_nothing_goes(home: Home) -> None:
    watched(home, "2020-01-01")
    put_done(home.jobs, "detect-old", ended=1.0)
    assert gc(home, KeepRules(), NOW, dry_run=False).removed == ()


def test_a_removed_job_leaves_the_index_and_its_mark(home: Home) -> None:
    put_done(home.jobs, "detect-old", ended=1.0)
    mark(home.jobs.folder, "detect-old", 1)
    with open_index(home.state_dir, home.jobs.folder) as index:
        index.put(Ended("detect-old", "2026-01-01T00:00:00+00:00", 1, False), 1.0)
    gc(home, JOBS, NOW, dry_run=False)
    assert marks(home.jobs.folder) == {}
    with open_index(home.state_dir, home.jobs.folder) as index:
        assert index.ids() == set()


@pytest.mark.parametrize(
    "name",
    ["2026-13-40", "2026-1-1", "yesterday", "2026-10-01 (copy)", "..2026-10-01", "２０２６-10-01"],
)
def test_only_a_date_is_taken_for_one(home: Home, name: str) -> None:
    file = taken(home, name)
    put_done(home.jobs, f"watch-detect-{name}")
    assert gc(home, WATCHED, NOW, dry_run=False).removed == ()
    assert file.exists()


@pytest.mark.parametrize("recipe", ["..", "../..", "", ".", "a/../../..", "../../originals"])
def test_a_rule_for_a_name_that_is_a_path_leads_nowhere(home: Home, recipe: str) -> None:
    (place(home) / "2026-10-01").mkdir()
    gc(home, KeepRules(recipes={recipe: 1}), NOW, dry_run=False)
    assert (place(home) / "2026-10-01").exists()


def link_recipe(home: Home, originals: Path) -> None:
    (place(home) / "inbox" / ".taken").mkdir(parents=True)
    (place(home) / "inbox" / ".taken" / "detect").symlink_to(originals)


def link_taken(home: Home, originals: Path) -> None:
    (place(home) / "inbox").mkdir()
    (originals / "detect").symlink_to(originals)
    (place(home) / "inbox" / ".taken").symlink_to(originals)


def link_day(home: Home, originals: Path) -> None:
    (place(home) / "inbox" / ".taken" / "detect").mkdir(parents=True)
    (place(home) / "inbox/.taken/detect/2026-01-01").symlink_to(originals / "2026-01-01")


def link_inside(home: Home, originals: Path) -> None:
    taken(home, "2026-01-01")
    (place(home) / "inbox/.taken/detect/2026-01-01/all").symlink_to(originals)
    (home.jobs.path("watch-detect-2026-01-01") / "pictures").symlink_to(originals)


def link_quarantine(home: Home, originals: Path) -> None:
    (place(home) / "quarantine").mkdir()
    (place(home) / "quarantine" / "detect").symlink_to(originals)


def link_job(home: Home, originals: Path) -> None:
    shutil.copytree(home.jobs.path("watch-detect-2026-01-01"), originals, dirs_exist_ok=True)
    shutil.rmtree(home.jobs.path("watch-detect-2026-01-01"))
    home.jobs.path("watch-detect-2026-01-01").symlink_to(originals)


@pytest.mark.parametrize(
    "link", [link_recipe, link_taken, link_day, link_inside, link_quarantine, link_job]
)
def test_no_link_leads_to_the_originals(
    home: Home, tmp_path: Path, link: Callable[[Home, Path], None]
) -> None:
    put_done(home.jobs, "watch-detect-2026-01-01", ended=1.0)
    originals = tmp_path / "originals"
    link(home, originals)
    before = everything(originals)
    gc(home, KeepRules(recipes={"detect": 1}, jobs_days=1), NOW, dry_run=False)
    assert everything(originals) == before


def test_a_cleaning_that_breaks_off_leaves_whole_jobs_and_the_next_one_ends_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched(home, "2026-10-01")
    with monkeypatch.context() as patch:

        def broken(*_args: object, **_keywords: object) -> None:
            raise OSError(5, "Input/output error")

        patch.setattr(shutil, "rmtree", broken)
        stopped = gc(home, WATCHED, NOW, dry_run=False)
    assert stopped.removed == ()
    assert [each.why for each in stopped.kept] == ["Input/output error"] * 2
    assert home.jobs.ids() == ["watch-detect-2026-10-01"], "it still tells of the day's files"
    done = gc(home, WATCHED, NOW, dry_run=False)
    assert [each.what for each in done.removed] == ["leftover", "leftover", "job"]
    assert not [path for path in everything(place(home)) if LEFTOVER in path]
    assert home.jobs.ids() == []


def test_what_broken_off_commands_left_goes_after_a_day(home: Home) -> None:
    home.scratch.mkdir()
    old = [home.jobs.folder / ".new-1", home.jobs.folder / ".probe-nas", home.scratch / "spool-1"]
    new = [home.jobs.folder / ".new-2", home.scratch / "spool-2", home.scratch / "other"]
    stale_s = (NOW - timedelta(hours=25)).timestamp()
    for path in (*old, *new):
        path.mkdir()
    for path in (*old, home.scratch / "other"):
        os.utime(path, (stale_s, stale_s))
    for path in new[:2]:
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    gc(home, KeepRules(), NOW, dry_run=False)
    assert [path.exists() for path in (*old, *new)] == [False] * 3 + [True] * 3


def test_logs_that_were_set_aside_go_and_those_in_use_stay(home: Home) -> None:
    logs = home.state_dir / "logs"
    logs.mkdir()
    for name in ("agent.log", "agent.log.1", "agent.log.2", "notes.txt"):
        (logs / name).write_text("said")
        os.utime(logs / name, (1, 1))
    os.utime(logs / "agent.log.1", (NOW.timestamp(), NOW.timestamp()))
    assert names(gc(home, KeepRules(logs_days=30), NOW, dry_run=False)) == ["logs/agent.log.2"]
    assert sorted(os.listdir(logs)) == ["agent.log", "agent.log.1", "notes.txt"]
