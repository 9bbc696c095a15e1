"""The commands on homes of other formats: older ones are brought up to date, newer ones refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from farmyard import Farmyard
from nasfarm.upgrade import MARKER, NEWEST

OPENING = [
    "up --detach", "init --no-models", "worker", "watch", "submit photos --recipe detect",
    "jobs", "status", "results JOB", "failed", "retry JOB", "cancel JOB", "wait JOB",
    "reconcile", "gc", "pause", "resume", "models pull nanodet-g", "models list",
]  # fmt: skip


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Farmyard]:
    """A home without models, and nothing that runs."""
    farm = Farmyard(tmp_path)
    try:
        farm.ok("init", "--no-models")
        yield farm
    finally:
        farm.close()


def of_format(farm: Farmyard, number: int) -> None:
    """As if another release had made the home."""
    marker = farm.home / MARKER
    if number == 1:
        shutil.rmtree(farm.home / "nodes")
        marker.unlink()
    else:
        marker.write_text(json.dumps({"format": number}))


def content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


def test_a_new_home_has_the_newest_format_and_says_nothing_of_it(tmp_path: Path) -> None:
    farm = Farmyard(tmp_path)
    assert "format" not in farm.ok("init", "--no-models").err
    assert json.loads((farm.home / MARKER).read_text()) == {"format": NEWEST}
    assert (farm.home / "nodes").is_dir()
    assert not (farm.home / "backup").exists()


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farmyard]:
    """A newer release's home, beside a folder `photos`; no test changes anything in it."""
    farm = Farmyard(tmp_path_factory.mktemp("newer"))
    (farm.folder / "photos").mkdir()
    try:
        farm.ok("init", "--no-models")
        of_format(farm, NEWEST + 1)
        yield farm
    finally:
        farm.close()


@pytest.mark.parametrize("command", OPENING)
def test_a_newer_home_is_refused_and_nothing_in_it_is_changed(
    newer: Farmyard, command: str
) -> None:
    before = content(newer.home)
    ran = newer.run(*command.split(), timeout_s=60, cwd=newer.folder)
    assert ran.code == 2, f"{ran.out}\n{ran.err}"
    assert "made by a newer nasfarm" in ran.err
    assert "Update nasfarm" in ran.err
    assert content(newer.home) == before


def test_a_newer_home_still_lets_the_farm_be_stopped_and_examined(yard: Farmyard) -> None:
    of_format(yard, NEWEST + 1)
    yard.ok("down")
    ran = yard.run("doctor", "--json")
    [check] = [each for each in ran.json if each["what"] == "home format"]
    assert (ran.code, check["level"]) == (2, "broken")
    assert "newer" in check["found"]


@pytest.mark.parametrize("command", ["init --no-models", "worker", "watch"])
def test_what_runs_a_farm_brings_an_older_home_up_to_date(yard: Farmyard, command: str) -> None:
    of_format(yard, 1)
    (yard.home / "farm.yml").write_text("lease_s: 20\n")
    ran = yard.run(*command.split())
    assert ran.code in (0, 75), "75: there is no broker; the home comes before it"
    assert json.loads((yard.home / MARKER).read_text()) == {"format": NEWEST}
    assert (yard.home / "nodes").is_dir()
    [kept] = (yard.home / "backup").glob("format-1-*/farm.yml")
    assert kept.read_text() == "lease_s: 20\n"
    assert str(kept.parent) in ran.err


@pytest.mark.parametrize("command", ["jobs", "gc --dry-run", "recipes list", "doctor"])
def test_looking_at_an_older_home_changes_nothing(yard: Farmyard, command: str) -> None:
    of_format(yard, 1)
    before = content(yard.home)
    assert "brought" not in yard.run(*command.split()).err
    assert content(yard.home) == before
