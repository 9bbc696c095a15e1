"""A box whose processor knows no AVX, such as a NAS's Celeron, finds the same things."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from farmyard import CORES, Farmyard
from needs import needs_tool
from ownbroker import own_broker

CPU = "Denverton-v2"
"""Goldmont cores: SSE 4.2, and no AVX. The article's Celeron J4125 is their next generation."""

PHOTOS = {"astronaut.png": "person", "chelsea.png": "cat", "motorcycle_left.png": "motorcycle"}


def emulated() -> tuple[str, ...]:
    """How a Python process is started on that processor; what it forks stays on it."""
    return (needs_tool("qemu-x86_64-static", "qemu-user-static"), "-cpu", CPU, sys.executable)


@contextmanager
def only_worker(farm: Farmyard) -> Iterator[psutil.Process]:
    """One slot's process on the emulated processor, without an agent or any other consumer."""
    command = (*emulated(), "-m", "nasfarm", "worker", "--slot", "0", "--slots", "1")
    with open(farm.folder / "worker.log", "wb") as log:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(CORES[0]), *command, "--boot", "qemu"],
            env=farm.environment() | {"ORT_DISABLE_TELEMETRY": "1"}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def test_numpy_sees_no_avx_there() -> None:
    asked = (
        "from numpy._core._multiarray_umath import __cpu_features__ as there; import json;"
        "print(json.dumps(sorted(name for name in there if there[name])))"
    )
    done = subprocess.run([*emulated(), "-c", asked], capture_output=True, check=True, timeout=60)
    features = json.loads(done.stdout)
    assert "SSE42" in features
    assert not [name for name in features if name.startswith(("AVX", "FMA"))]


def test_a_worker_without_avx_finds_the_same_things(tmp_path: Path, cached_models: None) -> None:
    with own_broker(tmp_path / "broker") as broker:
        # The emulator is some twenty times slower than the processor it shows.
        slow = {"FARM_IMAGE_TIMEOUT_S": "600", "FARM_LEASE_S": "60"}
        farm = Farmyard(tmp_path, {"FARM_BROKER_URL": broker.url, **slow})
        farm.ok("init")
        photos = farm.home / "photos"
        photos.mkdir()
        for file in map(Path, farm.ok("models", "show", "sample-photos", "--json").json["files"]):
            if file.name in PHOTOS:
                shutil.copy(file, photos)
        with only_worker(farm) as worker:
            answer = farm.submit(photos, "--recipe", "detect", timeout_s=400)
            there = [worker, *worker.children(recursive=True)]
            programs = {Path(process.exe()).name for process in there}
        log = (farm.folder / "worker.log").read_text()
    assert answer["state"] == "done", log[-3000:]
    assert (answer["ok"], answer["errors"]) == (len(PHOTOS), 0)
    assert len(there) == 2, "a pool's parent and its child"
    assert programs == {"qemu-x86_64-static"}
    for line in farm.lines(answer["job_id"]):
        label = PHOTOS[Path(line["item"]).name]
        assert line["model"].endswith("/int8")
        scores = [thing["score"] for thing in line["detections"] if thing["label"] == label]
        assert max(scores, default=0) >= 0.4, line
