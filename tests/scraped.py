"""A running farm's metrics, as a page would tell them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families

from farmyard import Farmyard

SERVE = """
import asyncio, os, sys
from pathlib import Path
from tornado.web import Application, RequestHandler
from nasfarm import Farm
from nasfarm.web.metrics import CONTENT_TYPE, exposition

farm = Farm(Path(os.environ["FARM_HOME"]))

class Metrics(RequestHandler):
    async def get(self):
        loop = asyncio.get_running_loop()
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(await loop.run_in_executor(None, exposition, farm.home, farm.broker))

async def main():
    Application([("/metrics", Metrics)]).listen(int(sys.argv[1]), "127.0.0.1")
    print("listening", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

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
    """The metrics at /metrics on a port of this machine, while the block runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port)], env=yard.environment(), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
