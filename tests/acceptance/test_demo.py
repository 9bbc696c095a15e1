"""`farm demo` on a machine as it is: what it finds, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from farmyard import Farmyard, wait_until

pytestmark = pytest.mark.short


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "XDG_STATE_HOME": str(folder)}


def belonging(folder: Path) -> list[psutil.Process]:
    """Processes of farms whose files lie below `folder`; without one, no port is held either."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("FARM_STATE_DIR", "").startswith(str(folder)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> dict[str, Any]:
    """What `farm demo --json` prints, run beside a farm that is up."""
    folder = tmp_path_factory.mktemp("demo")
    beside = Farmyard(folder / "beside")
    try:
        beside.up()
        command = [sys.executable, "-m", "nasfarm", "demo", "--json"]
        done = subprocess.run(
            command, env={**beside.environment(), "XDG_STATE_HOME": str(folder)},
            capture_output=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        assert belonging(folder / "nasfarm-demo") == []
        assert beside.ok("nodes", "--json").json, "the farm beside it has suffered"
    finally:
        beside.close()
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize(
    ("photo", "label"),
    [("astronaut", "person"), ("chelsea", "cat"), ("motorcycle_left", "motorcycle")],
)
def test_it_finds_the_obvious_with_int8(shown: dict[str, Any], photo: str, label: str) -> None:
    [line] = [line for line in shown["lines"] if f"/{photo}." in line["item"]]
    assert line["model"].startswith("nanodet-g@")
    assert line["model"].endswith("/int8")
    scores = [thing["score"] for thing in line["detections"] if thing["label"] == label]
    assert max(scores, default=0) >= 0.4


def test_it_reads_words(shown: dict[str, Any]) -> None:
    texts = [text["text"] for line in shown["lines"] for text in line.get("texts", ())]
    assert any("segmentation" in text for text in texts)


def test_its_results_and_drawn_pictures_are_where_it_says(shown: dict[str, Any]) -> None:
    assert all(Path(path).stat().st_size > 0 for path in shown["results"].values())
    assert len(shown["pictures"]) >= 6
    assert all(Path(path).read_bytes()[:3] == b"\xff\xd8\xff" for path in shown["pictures"])


@pytest.mark.parametrize("when_s", [1.0, 5.0])
def test_ctrl_c_leaves_no_process_and_no_port(
    tmp_path: Path, cached_models: None, when_s: float
) -> None:
    command = [sys.executable, "-m", "nasfarm", "demo"]
    process = subprocess.Popen(
        command, env=environment(tmp_path), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(when_s)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)
    wait_until(lambda: not belonging(tmp_path), 2, "processes are left")


def test_kill_9_leaves_no_process(tmp_path: Path, cached_models: None) -> None:
    command = [sys.executable, "-m", "nasfarm", "demo"]
    process = subprocess.Popen(
        command, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: len(belonging(tmp_path)) > 4, 60, "the demo's farm did not start")
    process.kill()
    process.wait()
    wait_until(lambda: not belonging(tmp_path), 12, "processes are left")


def test_nothing_reports_home(tmp_path: Path, cached_models: None) -> None:
    """ONNX Runtime's wheel would write an id of this device into the cache, and send it."""
    cache = tmp_path / "cache"
    cache.mkdir()
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    (cache / "nasfarm").symlink_to(user / "nasfarm")
    command = [sys.executable, "-m", "nasfarm", "demo"]
    done = subprocess.run(
        command, env={**environment(tmp_path), "XDG_CACHE_HOME": str(cache)},
        capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert [path.name for path in cache.iterdir()] == ["nasfarm"]
