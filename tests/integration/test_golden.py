"""What version 1 wrote, kept as bytes in tests/data/golden, is read by today's code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from farmyard import Farmyard
from nasfarm.core.jobs import State
from nasfarm.jobs.results import merged
from nasfarm.jobs.store import JobStore
from nasfarm.plan.chunks import chunk_of, queue_name
from ownbroker import OwnBroker, own_broker

V1 = Path(__file__).parents[1] / "data" / "golden" / "v1"
JOB = "detect-eca589180b"
"""Three items in three chunks; the second failed and a retry, chunk 3, mended it."""

HINT = (V1 / "hint.json").read_bytes()
"""That chunk 0 of this job may need work, as it lay in Redis."""

QUEUE = "farm.v1.normal.photos"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[OwnBroker]:
    with own_broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def farm(tmp_path: Path, cached_models: None, broker: OwnBroker) -> Iterator[Farmyard]:
    """A home with the root `photos` and a broker, and no worker yet."""
    settings = {"FARM_BROKER_URL": broker.url, "FARM_RECONCILE_S": "3600"}
    yard = Farmyard(tmp_path, settings)
    (tmp_path / "photos").mkdir()
    try:
        yard.ok("init")
        yard.ok("roots", "add", "photos", tmp_path / "photos")
        yield yard
    finally:
        yard.close()


def put_job(farm: Farmyard) -> Path:
    return Path(shutil.copytree(V1 / "job", farm.home / "jobs" / JOB))


def test_a_v1_job_loads_with_its_plan_and_its_lines(tmp_path: Path) -> None:
    shutil.copytree(V1 / "job", tmp_path / JOB)
    store = JobStore(tmp_path)
    job = store.load(JOB)
    plan = store.plan(job)
    chunks = [chunk_of(JOB, plan, number) for number in range(plan[-1].end)]
    assert [(chunk.items, chunk.generation) for chunk in chunks] == [
        ((0,), 0),
        ((1,), 0),
        ((2,), 0),
        ((1,), 1),
    ]
    assert {chunk.root for chunk in chunks} == {"photos"}
    assert store.done_chunks(JOB) == {0, 1, 2, 3}
    assert b"".join(merged(store, JOB, plan)) == (V1 / "job" / "results.jsonl").read_bytes()
    assert b"".join(merged(store, JOB, job.plan)).count(b'"error"') == 2  # status and reason
    assert str(job.recipe.stages[0].model) == "nanodet-g@1/int8"


def test_the_commands_show_a_v1_job(farm: Farmyard) -> None:
    put_job(farm)
    shown = farm.ok("status", JOB, "--json").json
    assert (shown["state"], shown["ok"], shown["errors"]) == (State.DONE, 3, 0)
    assert (shown["chunks"], shown["chunks_done"]) == (4, 4)
    assert [job["job_id"] for job in farm.ok("jobs", "--json").json] == [JOB]
    lines = farm.ok("results", JOB, "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == farm.lines(JOB)
    farm.ok("reconcile")  # there is nothing to mend about it
    assert farm.ok("status", JOB, "--json").json["state"] == State.DONE


def test_the_failures_of_a_v1_job_are_told(farm: Farmyard) -> None:
    """As before its retry."""
    folder = put_job(farm)
    for name in ("plan.1.json", "chunks/3.jsonl", "summary.json", "results.jsonl"):
        (folder / name).unlink()
    [told] = farm.ok("failed", JOB, "--json").json
    assert (told["i"], told["code"], told["attempts"], told["node"]) == (1, "decode", 1, "nas")


def test_an_unfinished_v1_job_is_finished_from_where_it_was(
    farm: Farmyard, broker: OwnBroker
) -> None:
    folder = put_job(farm)
    for name in ("chunks/0.jsonl", "summary.json", "results.jsonl"):
        (folder / name).unlink()
    farm.ok("reconcile")
    [hint] = map(json.loads, broker.messages(QUEUE))
    assert hint["headers"]["id"] == f"{JOB}.0"
    shown = farm.ok("status", JOB, "--json").json
    assert (shown["state"], shown["chunks"], shown["chunks_done"]) == (State.QUEUED, 4, 3)


def test_a_v1_hint_is_known_as_waiting_and_understood_by_a_worker(
    farm: Farmyard, broker: OwnBroker
) -> None:
    assert queue_name(JobStore(V1).load("job").priority, "photos") == QUEUE
    submitted = one_photo_called(farm, JOB, broker)
    broker.client.rpush(QUEUE, HINT)
    farm.ok("reconcile")
    assert broker.messages(QUEUE) == [HINT], "it was hinted again"
    farm.up()
    farm.ok("wait", JOB, "--timeout", 60)
    [line] = farm.lines(JOB)
    assert (line["status"], line["width"]) == ("ok", 64), submitted


def test_a_message_of_another_wire_version_is_never_consumed(
    farm: Farmyard, broker: OwnBroker
) -> None:
    others = [QUEUE.replace(".v1.", version) for version in (".v0.", ".v2.")]
    for queue in others:
        broker.client.rpush(queue, HINT)
    farm.up()
    Image.new("RGB", (64, 48)).save(farm.folder / "photos" / "a.png")
    answer = farm.submit(farm.folder / "photos", "--recipe", "detect", timeout_s=60)
    assert (answer["state"], answer["ok"]) == (State.DONE, 1)
    assert [broker.messages(queue) for queue in others] == [[HINT], [HINT]]


def one_photo_called(farm: Farmyard, job_id: str, broker: OwnBroker) -> str:
    """A job of one photo that nobody has hinted, under a name that a kept message has."""
    Image.new("RGB", (64, 48)).save(farm.folder / "photos" / "a.png")
    answer = farm.ok("submit", farm.folder / "photos", "--recipe", "detect", "--json").json
    folder = farm.home / "jobs" / answer["job_id"]
    document = json.loads((folder / "job.json").read_text()) | {"job_id": job_id}
    (folder / "job.json").write_text(json.dumps(document))
    folder.rename(farm.home / "jobs" / job_id)
    broker.client.delete(QUEUE)
    return str(answer["job_id"])
