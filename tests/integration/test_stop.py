"""`farm down`: the farm's process is gone when it says so, whoever reaps it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from nasfarm import keep
from nasfarm.errors import RetryError

FARM = """
import signal, sys, time
from pathlib import Path
from nasfarm.storage.locked import sole
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
with sole(Path(sys.argv[1]), "the farm"):
    print("up", flush=True)
    while not asked:
        time.sleep(0.01)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def farm(state_dir: Path, lingers_s: float) -> Iterator[psutil.Process]:
    """A process that holds the farm's lock until SIGTERM, and ends `lingers_s` later. Nobody reaps
    it meanwhile."""
    process = subprocess.Popen(
        [sys.executable, "-c", FARM, str(keep.lock_file(state_dir)), str(lingers_s)],
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.communicate()


def test_a_farm_that_is_down_has_no_process_left(tmp_path: Path) -> None:
    with farm(tmp_path, 0.7) as process:
        assert keep.stop(tmp_path, 30)
        assert process.status() == psutil.STATUS_ZOMBIE
    assert not keep.stop(tmp_path, 30)


def test_a_farm_that_does_not_end_is_told(tmp_path: Path) -> None:
    with (
        farm(tmp_path, 60) as process,
        pytest.raises(RetryError, match=f"process {process.pid}. has not stopped after 0.3 s"),
    ):
        keep.stop(tmp_path, 0.3)
