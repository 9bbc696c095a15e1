"""A rolling job of 100,000 pictures: its report is written again once a minute, for little."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from idle import worker_of
from nasfarm.api import Farm
from nasfarm.core.leases import REDUCE, Lease
from nasfarm.core.lines import Detection, Line
from nasfarm_workers.progress import progress
from nasfarm_workers.reduction import refresh
from nasfarm_workers.worker import Worker
from ownbroker import OwnBroker, own_broker
from reports import HEIGHT, LINES, WIDTH, ZONES, box, jpeg, shop
from watchedjobs import WatchedJob
from webserver import made_farm

ITEMS, CHUNK = 100_000, 64
MOST_CPU_S, MOST_BYTES = 5.0, 20_000_000
LINKS = 30_000
"""Names of one file: ext4 lets it have 65,000."""
DAY = "2026-05-04"


@dataclass(slots=True)
class Rolling:
    """The job, and the worker that refreshes it."""

    day: WatchedJob
    worker: Worker
    broker: OwnBroker

    @property
    def report(self) -> Path:
        return self.day.store.report(self.day.job_id)

    def drop(self, count: int) -> None:
        """So many pictures come and are looked at, in chunks."""
        sizes = [CHUNK] * (count // CHUNK) + [count % CHUNK] * (count % CHUNK > 0)
        first = len(self.day.store.done_chunks(self.day.job_id))
        for n, numbers in enumerate(self.day.plan(*sizes)):
            self.day.publish(first + n, *(line(i, self.day.item(f"cam/{i}.jpg")) for i in numbers))

    def said(self) -> dict[str, bytes]:
        """What is told of the job, by file."""
        folder = self.report.parent
        files = [self.report, folder / "summary.json", *sorted(folder.glob("tables/*"))]
        return {path.name: path.read_bytes() for path in files}

    def forget(self) -> None:
        """Let the next refresh take in every line again."""
        self.day.store.checkpoint(self.day.job_id).unlink()

    def refresh(self) -> float:
        """Write everything again, as once a minute; seconds of processor time."""
        job_id = self.day.job_id
        self.broker.client.delete(f"farm:refresh:{job_id}")
        self.worker.broker.leases.register(job_id, 1)
        lease = self.worker.claim(job_id, REDUCE)
        assert isinstance(lease, Lease)
        job = self.day.store.load(job_id)
        begun = time.process_time()
        with progress(lease, self.worker.broker, 600, lambda: False) as beat:
            assert refresh(job, self.worker, beat)
        took_s = time.process_time() - begun
        self.worker.broker.leases.forget(job_id)
        return took_s


def line(i: int, item: str) -> Line:
    """A picture with up to four people."""
    places = [(0.2 + 0.15 * n, 0.6 + 0.01 * (i % 30)) for n in range(i % 5)]
    found = tuple(Detection("person", 0, 0.8, tuple(box(*place))) for place in places)  # type: ignore[arg-type]
    seconds = i * 86_400 // (ITEMS + 1000)
    return Line(
        i, item, width=WIDTH, height=HEIGHT, model="m@1/int8", time_source="exif",
        taken_at=f"{DAY}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}",
        fields={"detections": found},
    )  # fmt: skip


@pytest.fixture(params=["found", "alerts", "people_count", "heatmap"])
def rolling(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rolling]:
    """Of a recipe with that reduce. Pictures are so near to each other that people are followed."""
    with own_broker(tmp_path / "broker") as broker, pytest.MonkeyPatch.context() as patch:
        farm = made_farm(tmp_path, patch, broker.url)
        day = WatchedJob(farm.home.jobs, "shop", DAY, request.param, ZONES, LINES).made()
        bring(farm, day, ITEMS + CHUNK)
        yield Rolling(day, worker_of(farm.settings, broker.url), broker)


def bring(farm: Farm, day: WatchedJob, count: int) -> None:
    """The files, each of which is one of a few."""
    folder = farm.settings.home / "inbox" / ".taken" / day.recipe / day.day / "cam"
    folder.mkdir(parents=True)
    content = jpeg(shop([(0.3, 0.7), (0.7, 0.8)]), WIDTH)
    for i in range(count):
        first = folder / f"{i // LINKS * LINKS}.jpg"
        if i % LINKS:
            os.link(first, folder / f"{i}.jpg")
        else:
            first.write_bytes(content)


def test_a_refresh_of_a_hundred_thousand_pictures_costs_less_than_five_seconds(
    rolling: Rolling,
) -> None:
    rolling.drop(ITEMS)
    first_s = rolling.refresh()
    thumbs = rolling.report.with_name("thumbs")
    before = {path.name: path.stat().st_ino for path in thumbs.iterdir()}
    assert len(before) in (24, 25), "the gallery, and what zones are drawn over"
    rolling.drop(CHUNK)
    again_s = rolling.refresh()
    told = rolling.said()
    print(f"first refresh {first_s:.2f} s, the next {again_s:.2f} s, "
          f"report {rolling.report.stat().st_size / 1e6:.2f} MB")  # fmt: skip
    assert f"{ITEMS + CHUNK:,} pictures" in rolling.report.read_text()
    kept = {path.name: path.stat().st_ino for path in thumbs.iterdir()}
    assert len(kept.items() & before.items()) >= 20, "small pictures are made once"
    rolling.forget()
    rolling.refresh()
    assert rolling.said() == told
    assert again_s < MOST_CPU_S
    assert rolling.report.stat().st_size < MOST_BYTES
