"""A farm that is drawn → docs/pictures/status.png, the guide's picture of the status page.

Run it with the developer's packages and Debian's chromium:
`.venv/bin/python ops/docs/status_picture.py`
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

TREE = Path(__file__).parents[2]
sys.path.insert(0, str(TREE / "tests"))
PICTURE = TREE / "docs" / "pictures" / "status.png"


def drawn(path: Path, shade: int) -> None:
    """A green field, a round thing on it, and the box around that."""
    path.parent.mkdir(exist_ok=True)
    image = Image.new("RGB", (640, 480), (205 - shade, 220 - shade, 230 - shade))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 330, 640, 480), fill=(120 + shade // 3, 150, 110))
    box = (60 + shade * 3, 120, 260 + shade * 3, 360)
    draw.ellipse(box, fill=(90, 120 + shade, 160))
    draw.rectangle(box, outline=(230, 60, 50), width=6)
    image.save(path)


def furnish(farm: Farm, now: datetime) -> None:
    """Jobs and nodes as a small farm has them."""
    jobs, leases = farm.home.jobs, farm.broker.leases
    for n, job_id in enumerate(("ocr-7c1e20b4aa", "watch-detect-2026-05-03", "detect-91d04be3c7")):
        put_done(jobs, job_id, created=now - timedelta(days=n + 1), errors=n % 2)
    for n in range(6):
        drawn(jobs.path("watch-detect-2026-05-03") / "pictures" / f"{n:06d}-garden-{n}.jpg", n * 13)
    put_job(jobs, job_of("detect-a6f90fca2d", items=12_840, created=now))
    leases.register("detect-a6f90fca2d", 402)
    for chunk in range(2):
        leases.claim("detect-a6f90fca2d", chunk, "nas", "b", f"w{chunk}")
    time.sleep(4)
    leases.done("detect-a6f90fca2d", 2, "home", 94, 2, worked=True)
    leases.done("detect-a6f90fca2d", 3, "home", 7_200, 0, worked=False)
    waiting = job_of("classify-10bb3d9e77", items=900, created=now - timedelta(hours=1))
    put_job(jobs, replace(waiting, plan=(Segment(0, "videos", 0, 900, 32, 0),)))
    leases.register("classify-10bb3d9e77", 29)
    introduce(farm.settings.home, "cellar")
    hold(farm.settings.home, "cellar", "pause", time.time())
    for node, cores, away, why in (
        ("attic", 2, ("photos",), "2 fast cores; 4 efficient ones left to the NAS (spare_cores)."),
        ("cellar", 1, (), "1 core."),
        ("nas", 4, (), "4 cores."),
    ):
        slots = tuple(Slot(n, (n,), 10 + n, "ready") for n in range(cores))
        report = NodeReport(node, "b", "0.1.0", 7, ("home",), away, slots, placement=why)
        farm.broker.presence.report(report if away else replace(report, roots=("home", "photos")))


def main() -> None:
    """Draw it."""
    folder = Path(tempfile.mkdtemp())
    with own_broker(folder / "broker") as own, pytest.MonkeyPatch.context() as patch:
        furnish(made_farm(folder, patch, own.url), datetime.now(UTC))
        with served(Farm) as server, chromium() as browser, visit(browser, (1100, 640)) as seen:
            seen.page.goto(server.url)
            seen.page.wait_for_timeout(800)
            seen.page.screenshot(path=PICTURE, full_page=True)
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size} bytes\n")


if __name__ == "__main__":
    from browser import chromium, visit
    from jobfolders import job_of, put_done, put_job
    from nasfarm.api import Farm
    from nasfarm.core.jobs import Segment
    from nasfarm.core.nodes import NodeReport, Slot
    from nasfarm.nodes.holds import hold, introduce
    from ownbroker import own_broker
    from webserver import made_farm, served

    main()
