"""The disk of the home is full: cleaning is what makes room, so it must not need any."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from disks import ext4_image, fill, mounted, small_disk

from jobfolders import opened_home, put_done
from nasfarm.gc import KeepRules, gc

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
FILES = 300


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_cleaning_makes_room_on_a_disk_that_is_full(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "disk"
    if kind == "ext4":
        disk = mounted(ext4_image(tmp_path / "image", 24), place, "-o", "loop")
    else:
        disk = small_disk(place, 16)
    with disk as full:
        home = opened_home(full)  # its state folder is on the same disk
        put_done(home.jobs, "watch-detect-2026-10-01", errors=1)
        put_done(home.jobs, "detect-old", ended=1.0)
        taken = full / "home" / "inbox" / ".taken" / "detect" / "2026-10-01"
        taken.mkdir(parents=True)
        for n in range(FILES):
            (taken / f"{n}.jpg").write_bytes(b"x" * 10_000)
        fill(full)
        assert os.statvfs(full).f_bavail * os.statvfs(full).f_frsize < 4096
        done = gc(home, KeepRules(recipes={"detect": 30}, jobs_days=10), NOW)
        assert done.kept == ()
        assert [each.what for each in done.removed] == ["taken", "job", "job"]
        assert done.bytes > FILES * 10_000
        assert os.statvfs(full).f_bavail * os.statvfs(full).f_frsize >= FILES * 10_000
        assert home.jobs.ids() == [] and not taken.exists()
