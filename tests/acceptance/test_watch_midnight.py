"""Days end and clocks jump while pictures are dropped: each is in one job, no day stays open."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from farmyard import Farmyard, wait_until
from needs import needs
from pictures import picture


def clock_set_to(moment: datetime) -> dict[str, str]:
    """The settings of a box whose clock shows that moment now, in its own time zone."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    needs(libraries, "libfaketime is not installed: apt-get install faketime")
    offset_s = round(moment.timestamp() - time.time())
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME": f"{offset_s:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "TZ": str(moment.tzinfo),
    }


@contextmanager
def watching(farm: Farmyard, clock: dict[str, str]) -> Iterator[None]:
    """`farm watch` alone, which decides on days: time.sleep fails under the library, and with it
    `farm up`.
    """
    command = [sys.executable, "-m", "nasfarm", "watch"]
    with open(farm.folder / "watch.log", "wb") as log:
        process = subprocess.Popen(
            command, env={**farm.environment(), **clock}, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("moment", "zone", "days"),
    [
        pytest.param(
            "2026-05-04T23:59:45",
            "Asia/Shanghai",
            ["2026-05-04", "2026-05-05"],
            marks=pytest.mark.short,
            id="midnight",
        ),
        pytest.param("2026-03-29T01:59:45", "Europe/Berlin", ["2026-03-29"], id="summer-begins"),
        pytest.param("2026-10-25T02:59:45", "Europe/Berlin", ["2026-10-25"], id="summer-ends"),
    ],
)
def test_no_picture_is_lost_or_doubled_when_the_clock_jumps(
    tmp_path: Path, cached_models: None, moment: str, zone: str, days: list[str]
) -> None:
    farm = Farmyard(tmp_path)
    farm.ok("init")
    (farm.home / "farm.yml").write_text("watch.poll_s: 0.5\nwatch.settle_s: 0.5\n")
    try:
        farm.up()
        clock = clock_set_to(datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)))
        with watching(farm, clock):
            dropped = drop_for(25, farm.home / "inbox" / "detect", tmp_path / "made")
            wait_until(lambda: sum(names(farm, days).values()) >= dropped, 60, "a line each")
            assert names(farm, days) == Counter(f"{n}.jpg" for n in range(dropped))
            assert all(names(farm, [day]) for day in days)
            for day in days[:-1]:
                job = farm.home / "jobs" / f"watch-detect-{day}"
                wait_until(lambda job=job: over(job), 60, "yesterday's job ends")  # type: ignore[misc]
                state = farm.ok("status", job.name, "--json").json
                assert (state["state"], state["ok"]) == ("done", len(names(farm, [day])))
                assert len((job / "results.jsonl").read_bytes().splitlines()) == state["ok"]
    finally:
        farm.close()


def drop_for(seconds: float, inbox: Path, made: Path) -> int:
    """Drop two pictures a second; how many."""
    began, dropped = time.monotonic(), 0
    wait_until(inbox.is_dir, what="the drop folder")
    while time.monotonic() - began < seconds:
        picture(made / "a.jpg", dropped).rename(inbox / f"{dropped}.jpg")
        dropped += 1
        time.sleep(0.5)
    return dropped


def over(job: Path) -> bool:
    path = job / "refreshed.json"
    return path.exists() and json.loads(path.read_bytes())["sealed"]


def names(farm: Farmyard, days: list[str]) -> Counter[str]:
    """How many lines each dropped file has in the jobs of these days."""
    found: Counter[str] = Counter()
    for day in days:
        for path in (farm.home / "jobs" / f"watch-detect-{day}" / "chunks").glob("*.jsonl"):
            for line in path.read_bytes().splitlines():
                found[json.loads(line)["item"].rpartition("/")[2]] += 1
    return found
