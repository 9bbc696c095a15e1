"""A running farm's metrics, as a page would tell them."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families

from farmyard import Farmyard, wait_until

ONCE = """
import os, sys
from pathlib import Path
from nasfarm import Farm
from nasfarm.web.metrics import exposition

farm = Farm(Path(os.environ["FARM_HOME"]))
sys.stdout.buffer.write(exposition(farm.home, farm.broker))
"""

Samples = dict[tuple[str, ...], float]


def text_of(yard: Farmyard) -> str:
    """All of it."""
    done = subprocess.run(
        [sys.executable, "-c", ONCE], env=yard.environment(), capture_output=True, timeout=60,
        check=True,
    )  # fmt: skip
    return done.stdout.decode()


def samples(yard: Farmyard, name: str, *labels: str) -> Samples:
    """Values of one sample's name by these of its labels, those with other labels added up."""
    found: Samples = {}
    for family in text_string_to_metric_families(text_of(yard)):
        for each in family.samples:
            if each.name == name:
                key = tuple(each.labels[label] for label in labels)
                found[key] = found.get(key, 0) + each.value
    return found


@contextmanager
def serving(yard: Farmyard, port: int) -> Iterator[None]:
    """The farm's page on a port of this machine, while the block runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nasfarm", "serve"],
        env={**yard.environment(), "FARM_WEB_LISTEN": f"127.0.0.1:{port}"},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health/live"), 30, "farm serve")
        yield
    finally:
        process.terminate()
        assert process.wait(20) == 0


def answers(address: str) -> bool:
    """Whether a server is there and content."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False
