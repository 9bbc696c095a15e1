"""`farm doctor` on real farms, whole ones and such as are not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from farmyard import Farmyard, wait_until
from needs import needs_tool


def told(farm: Farmyard, code: int) -> dict[str, Any]:
    """The checks that are not good, by what was looked at; the exit status must be `code`."""
    ran = farm.run("doctor", "--json")
    assert ran.code == code, ran.out
    return {check["what"]: check for check in ran.json if check["level"] != "ok"}


def test_a_running_farm_is_healthy_and_says_how_it_publishes(running_farm: Farmyard) -> None:
    wait_until(lambda: running_farm.run("doctor").code == 0, 20, "it is not healthy")
    out = running_farm.ok("doctor").out
    assert re.search(r"^ok +publishing .*by hard link$", out, re.MULTILINE)
    assert re.search(r"^ok +slots +\S+ +\d+ on \d+ cores?\b", out, re.MULTILINE)
    assert re.search(r"^ok +memory cap .*by (cgroup|rlimit)", out, re.MULTILINE)
    assert re.search(r"^ok +clock ", out, re.MULTILINE)


def test_a_folder_that_is_no_home_is_broken_and_the_mending_command_mends_it(
    tmp_path: Path, cached_models: None
) -> None:
    farm = Farmyard(tmp_path)
    found = told(farm, 2)
    assert "farm" in found["home"]["mend"]
    assert found["state folder"]["mend"] == "farm init"
    farm.ok("init")
    found = told(farm, 1)
    assert {what: check["mend"] for what, check in found.items()} == {"broker": "farm up --detach"}


def test_a_root_that_is_away_is_a_warning(farm_home: Farmyard) -> None:
    photos = farm_home.folder / "photos"
    photos.mkdir()
    farm_home.ok("roots", "add", "photos", photos)
    shutil.rmtree(photos)
    assert "away" in told(farm_home, 1)["root photos"]["found"]


@pytest.mark.parametrize("deed", ["damaged", "missing"])
def test_a_model_that_is_not_as_its_manifest_says_is_broken(farm_home: Farmyard, deed: str) -> None:
    [file] = (farm_home.home / "models" / "nanodet-g" / "2").glob("int8.onnx")
    if deed == "damaged":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    else:
        file.unlink()
    check = told(farm_home, 2)["model"]
    assert str(file) in check["found"]
    assert "farm models pull nanodet-g" in check["mend"]


def test_settings_that_cannot_be_read_are_broken(farm_home: Farmyard) -> None:
    (farm_home.home / "farm.yml").write_text("lease: 3\n")
    assert "lease_s" in told(farm_home, 2)["settings"]["found"]


def test_a_broker_that_does_not_answer_is_broken(farm_home: Farmyard) -> None:
    farm_home.settings = {"FARM_BROKER_URL": "redis://127.0.0.1:9/0"}
    check = told(farm_home, 2)["broker"]
    assert check["where"] == "redis://127.0.0.1:9"


def test_a_clock_that_is_off_is_a_warning(running_farm: Farmyard) -> None:
    faketime = needs_tool("faketime")
    done = subprocess.run(
        [faketime, "-f", "+2h", sys.executable, "-m", "nasfarm", "doctor", "--json"],
        env=running_farm.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert re.search(r'"found": "7\d\d\d s ahead of the broker', done.stdout)


def test_a_recipe_that_cannot_be_read_is_a_warning(farm_home: Farmyard) -> None:
    recipes = farm_home.home / "recipes"
    recipes.mkdir(exist_ok=True)
    (recipes / "detect.yml").write_text("like: people-count\n")
    try:
        found = told(farm_home, 1)["recipe"]
    finally:
        (recipes / "detect.yml").unlink()
    assert "'detect' is a built-in recipe" in found["found"]
    assert found["mend"] == "farm recipes check detect"
