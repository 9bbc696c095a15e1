"""What is made of all lines of a job: the same bytes whoever worked on it, in little memory."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from books import executions, put_photos, records, with_slow_photos
from farmyard import CORES, Farmyard, wait_until
from jobfolders import job_of, put_chunk, put_job
from nasfarm.broker.client import Broker
from nasfarm.core import wire
from nasfarm.core.items import Item
from nasfarm.core.jobs import Job, Segment, end_of_plan
from nasfarm.core.recipes import FOUND
from nasfarm.jobs.store import JobStore
from nasfarm.nodes.holds import release
from nasfarm.plan.chunks import hint_of
from nasfarm.recipe_specs import specs
from nasfarm_models.cache import Cache, user_cache_folder
from needs import needs
from ownbroker import OwnBroker, own_broker
from shelves import install

QUEUE = "farm.v1.normal.home"
PHOTOS, SLOW_S = 24, 0.2
LINES, CHUNK = 100_000, 250
MOST_MB = 300
COUNTING = [name for name in specs.names(None) if specs.load(None, name).reduce != FOUND]
"""Built-in recipes with a reduce of their own."""
ASKED = {"alert_count": 2, "alert_zone": "door"}
"""Values that make them say more."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Two nodes of one slot each, with a package that brings recipes, and their broker."""

    left: Farmyard
    right: Farmyard
    broker: OwnBroker


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Iterator[Boxes]:
    needs(len(CORES) >= 2, "two boxes of one slot each want two cores")
    folder = tmp_path_factory.mktemp("boxes")
    path = os.pathsep.join([str(install(folder / "site")), with_slow_photos()["PYTHONPATH"]])
    with own_broker(folder / "broker") as broker, ExitStack() as ending:
        settings = {"FARM_BROKER_URL": broker.url, "FARM_SLOTS": "1", "PYTHONPATH": path}
        made = []
        for name in ("left", "right"):
            box = Farmyard(folder / name, {**settings, "FARM_NODE": name}, shared=folder / "home")
            box.folder.mkdir()
            ending.callback(box.close)
            box.ok("init")
            box.up()
            made.append(box)
        yield Boxes(*made, broker)


def kept(job: Path) -> dict[str, bytes]:
    """The files of a job that say what came of it."""
    there = [job / "results.jsonl", job / "summary.json", *sorted((job / "tables").iterdir())]
    return {path.name: path.read_bytes() for path in there}


def shelves(boxes: Boxes) -> Path:
    return put_photos(boxes.left, PHOTOS, slow_s=SLOW_S, name="shuffled")


def walkers(boxes: Boxes) -> Path:
    """An astronaut who goes to the right, a picture a second, and the recipe that counts her."""
    folder = boxes.left.home / "walk"
    folder.mkdir()
    with Image.open(Cache(user_cache_folder()).photo_folder / "astronaut.png") as image:
        pixels = np.asarray(image.convert("RGB").resize((320, 320)))
    for n in range(PHOTOS):
        path = folder / f"cam1-202605041200{n:02d}.jpg"
        Image.fromarray(np.roll(pixels, 6 * n - 60, axis=1)).save(path)
        path.write_bytes(path.read_bytes() + f"SLOW:{SLOW_S}".encode())
    text = (specs.BUILTIN / "people-count.yml").read_text()
    small = re.sub("chunk_items: .*", "chunk_items: 2", text)
    drawn = (
        "zones: {left: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}\nlines: {sill: [[0.5, 0], [0.5, 1]]}\n"
    )
    (boxes.left.home / "recipes" / "walkers.yml").write_text(small + drawn)
    return folder


@pytest.mark.parametrize(
    ("begun", "fact", "source"), [(shelves, "things", "mtime"), (walkers, "people_in", "name")]
)
def test_chunks_shuffled_over_two_nodes_and_delivered_twice_give_the_same_bytes(
    boxes: Boxes, chance: random.Random, begun: Callable[[Boxes], Path], fact: str, source: str
) -> None:
    left, right = boxes.left, boxes.right
    handed_in = (begun(boxes), "--recipe", begun.__name__)
    for box in (left, right):
        box.ok("pause")
    job_id = left.ok("submit", *handed_in, "--json").json["job_id"]
    chunks = shuffle_twice(boxes, job_id, chance)
    for name in ("left", "right"):
        release(left.home, name)  # at once: a command takes a second, and one would do it all
    left.ok("wait", job_id, "--timeout", 120)
    job = left.home / "jobs" / job_id
    assert sorted(executions(left, right, job_id=job_id)) == chunks
    assert all(executions(box, job_id=job_id) for box in (left, right)), "one did it all"
    wait_until(lambda: not boxes.broker.messages(QUEUE), what="doubled hints are taken, too")
    first = kept(job)
    summary = json.loads(first["summary.json"])
    assert (summary["ok"], summary["times"]) == (PHOTOS, [[source, PHOTOS]])
    assert fact in {each["name"] for each in summary["facts"]}

    # Its last step once more, by the other node.
    (reduced,) = [box for box in (left, right) if reduces(box, job_id)]
    other = right if reduced is left else left
    reduced.ok("pause")
    (job / "summary.json").unlink()
    shutil.rmtree(job / "tables")
    mend(other, job_id)
    wait_until((job / "summary.json").exists, 30, "the reduce step again")
    assert reduces(other, job_id) and kept(job) == first

    # All of it once more, in order, by one node, and in other chunks: it knows its pace now.
    shutil.rmtree(job)
    assert other.submit(*handed_in)["job_id"] == job_id
    assert kept(job) == first
    reduced.ok("resume")


def shuffle_twice(boxes: Boxes, job_id: str, chance: random.Random) -> list[int]:
    """Send a hint of each chunk twice, in no order; the chunks there are, in order."""
    broker, store = Broker(boxes.broker.url, 30), JobStore(boxes.left.home / "jobs")
    job = store.load(job_id)
    plan = store.plan(job)
    chunks = list(range(end_of_plan(plan)))
    assert len(chunks) >= PHOTOS // 2
    boxes.broker.client.delete(QUEUE)
    broker.hints.send(hint_of(job, plan, n) for n in chance.sample(chunks * 2, len(chunks) * 2))
    return chunks


MEND = """
import sys
from nasfarm import Farm
from nasfarm.reconcile import mend
farm = Farm()
mend(farm.job(sys.argv[1]), farm.home, farm.broker)
"""


def mend(box: Farmyard, job_id: str) -> None:
    """Let the broker know of a job that storage says is not done; `farm reconcile` looks at what
    has ended only now and then.
    """
    command = [sys.executable, "-c", MEND, job_id]
    subprocess.run(command, env=box.environment(), check=True, timeout=60)


def reduces(box: Farmyard, job_id: str) -> int:
    """How often this node did a job's reduce step."""
    begun = records(box, "chunk_begun")
    return sum(record["job"] == job_id and record["chunk"] < 0 for record in begun)


def test_a_map_that_breaks_off_is_one_pictures_and_a_reduce_the_jobs(boxes: Boxes) -> None:
    folder = boxes.left.home / "narrow"
    folder.mkdir()
    for width in (98, 99, 100):
        Image.effect_noise((width, 48), 60).convert("RGB").save(folder / f"{width}.jpg")
    answer = boxes.left.submit(folder, "--recipe", "shelves")
    assert (answer["state"], answer["ok"], answer["errors"]) == ("done", 2, 1)
    [bad] = [line for line in boxes.left.lines(answer["job_id"]) if line["status"] == "error"]
    assert bad["item"] == "home:narrow/99.jpg" and bad["error"] == {
        "code": "model",
        "message": "map 'shelf': ValueError: too narrow a shelf",
    }

    own = (boxes.left.folder.parent / "site/their_shelves/recipes/shelves.yml").read_text()
    breaking = own.replace("shelf_hours", "shelf_breaks").replace("shelf\n", "detect\n")
    (boxes.left.home / "recipes" / "breaks.yml").write_text(breaking)
    ran = boxes.left.run("submit", folder, "--recipe", "breaks", "--wait", "--json")
    job_id = ran.json["job_id"]
    assert ran.json["state"] == "failed"
    said = boxes.left.run("status", job_id).out
    assert "reduce 'shelf_breaks' of recipe 'breaks'" in said
    assert len(boxes.left.lines(job_id)) == 3, "the lines stay"


# -- memory ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farmyard]:
    """A home with a broker and the job `many-0`: 100,000 pictures of a fixed camera, all looked at,
    and not reduced.
    """
    folder = tmp_path_factory.mktemp("camera")
    with own_broker(folder / "broker") as broker:
        yard = Farmyard(folder, {"FARM_BROKER_URL": broker.url})
        yard.ok("init", "--no-models")
        store = JobStore(yard.home / "jobs")
        put_job(store, many("many-0", "detect"))
        with open(store.manifest("many-0"), "wb") as manifest:
            for i in range(LINES):
                manifest.write(wire.item_bytes(Item(i, f"home:cam/{i:06d}.jpg", 1000, 10**9 * i)))
        for chunk in range(LINES // CHUNK):
            numbers = range(chunk * CHUNK, (chunk + 1) * CHUNK)
            put_chunk(store, "many-0", chunk, [seen(i) for i in numbers])
        yield yard


def many(job_id: str, name: str) -> Job:
    """The job, as a recipe of that name would have it."""
    spec, job = specs.load(None, name), job_of(job_id, LINES)
    params = {param.name: ASKED.get(param.name, param.default) for param in spec.params}
    corners = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0))
    recipe = replace(
        job.recipe, name="many", reduce=spec.reduce, params=params, zones={"door": corners},
        lines={"sill": ((0.5, 0.0), (0.5, 1.0))},
    )  # fmt: skip
    return replace(job, recipe=recipe, plan=(Segment(0, "home", 0, LINES, CHUNK, 0),))


def seen(i: int) -> dict[str, Any]:
    """A line as `detect` writes it, with three persons who walk."""
    people = [
        {"label": "person", "class_id": 0, "score": 0.5, "zones": ["door"],
         "box": [(i * 7 + 200 * n) % 700, 100.0, (i * 7 + 200 * n) % 700 + 40.5, 300.5]}
        for n in range(3)
    ]  # fmt: skip
    day, rest = divmod(i, 86_400)
    hour, rest = divmod(rest, 3600)
    at = f"2026-05-{4 + day:02d}T{hour:02d}:{rest // 60:02d}:{rest % 60:02d}"
    return {
        "i": i, "item": f"home:cam/{i:06d}.jpg", "status": "ok", "width": 768, "height": 576,
        "model": "nanodet-g@1/int8", "taken_at": at, "time_source": "name", "count": 3,
        "detections": people,
    }  # fmt: skip


REDUCE = """
import sys, time
from nasfarm import Farm
from nasfarm.core.leases import REDUCE
from nasfarm.nodes.memory import MemoryCap
from nasfarm_workers import tasks
from nasfarm_workers.app import SlotRun, create_worker
from nasfarm_workers.orders import Orders
from nasfarm_workers.progress import to_nobody
farm = Farm()
orders = Orders.of(farm.settings.state_dir)
orders.give(())
run = SlotRun(0, 1, "boot", farm.settings.broker_url, MemoryCap(1 << 40, None), orders)
worker = create_worker(farm.settings, run, to_nobody)
lease = worker.claim(sys.argv[1], REDUCE)
begun = time.process_time()
said, _ = tasks.settle(lease, worker)
used = time.process_time() - begun
# This program's own most: getrusage's holds that of the process that began it, too.
[most] = [line for line in open("/proc/self/status") if "VmHWM" in line]
print(said, int(most.split()[1]) // 1024, round(used, 2), sep=";")
"""


@pytest.mark.parametrize("name", ["detect", *COUNTING])
def test_100_000_lines_are_reduced_in_less_than_300_mb(camera: Farmyard, name: str) -> None:
    store = JobStore(camera.home / "jobs")
    job = put_job(store, many(f"many-{name}", name))
    os.replace(shutil.copy(store.manifest("many-0"), camera.folder), store.manifest(job.job_id))
    for path in (store.path("many-0") / "chunks").iterdir():
        os.link(path, store.path(job.job_id) / "chunks" / path.name)
    mend(camera, job.job_id)  # now the broker knows that nothing is missing but the reduce step
    ran = subprocess.run(
        [sys.executable, "-c", REDUCE, job.job_id], env=camera.environment(),
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    said, most_mb, used_s = ran.stdout.strip().split(";")
    print(f"{name}: {most_mb} MB, {used_s} s of CPU")
    assert said == "results written", ran.stderr
    assert int(most_mb) < MOST_MB
    summary = store.summary(job.job_id, 0)
    assert summary is not None and summary.found == (("person", 3 * LINES),)
    assert summary.times == (("name", LINES),)
