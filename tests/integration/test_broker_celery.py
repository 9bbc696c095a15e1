"""Celery with the farm's settings as the embedded broker's `farm` user: nothing is refused."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from celery import Celery

from nasfarm.broker.celery_app import create_celery
from nasfarm.broker.embedded import EmbeddedBroker, prepare, ready
from nasfarm.broker.steering import steer
from nasfarm.nodes.process import spawn, stop

QUEUE = "farm.v1.normal.photos"
NODE = "slot0@box"
WORKER = """
import os, signal, time
from celery.signals import worker_process_init
from nasfarm.broker.celery_app import create_celery
from nasfarm.broker.steering import be_steered
from nasfarm.nodes.process import die_with_parent

app = create_celery(os.environ["BROKER_URL"])
be_steered()

@worker_process_init.connect
def leash(**_):
    die_with_parent(death_signal=signal.SIGKILL)

@app.task(name="note")
def note(word, sleep_s=0.0, crash=False):
    with open(os.environ["NOTES"], "a") as file:
        file.write(word + "\\n")
    if crash:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(sleep_s)
"""


def wait_for(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    broker = prepare(tmp_path_factory.mktemp("celery") / "broker")
    process = spawn(broker.argv, broker.log_path, pass_fds=[broker.lock_fd])
    try:
        ready(broker.url, 10.0)
        yield broker
    finally:
        stop(process)
        broker.release()


class Worker:
    """A running Celery worker, an app to talk to it, and what its tasks noted."""

    def __init__(self, broker: EmbeddedBroker, folder: Path) -> None:
        (folder / "small.py").write_text(WORKER)
        self.broker = broker
        self.notes_path = folder / "notes"
        self.notes_path.touch()
        self.app: Celery = create_celery(broker.url)
        self.process = spawn(
            [sys.executable, "-m", "celery", "-A", "small", "worker", "-P", "prefork", "-c", "1",
             "-n", NODE, "-Q", QUEUE, "-E", "-l", "info"],
            folder / "worker.log",
            env={"PYTHONPATH": str(folder), "BROKER_URL": broker.url,
                 "NOTES": str(self.notes_path)},
        )  # fmt: skip

    def notes(self) -> list[str]:
        return self.notes_path.read_text().split()

    def send(self, word: str, queue: str = QUEUE, **kwargs: Any) -> None:
        self.app.send_task("note", args=[word], kwargs=kwargs, queue=queue)

    def children(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.process.pid).children()]


@pytest.fixture(scope="module")
def worker(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    # With gossip and mingle, although the farm runs without: they too must be allowed.
    worker = Worker(broker, tmp_path_factory.mktemp("worker"))
    try:
        wait_for(lambda: worker.app.control.ping([NODE], timeout=0.5))
        yield worker
    finally:
        stop(worker.process)
        worker.app.close()


def test_tasks_run_and_nothing_stays_behind(worker: Worker) -> None:
    for word in ("a", "b", "c"):
        worker.send(word)
    wait_for(lambda: {"a", "b", "c"} <= set(worker.notes()))
    client = redis.Redis.from_url(worker.broker.url)
    assert client.llen(QUEUE) == 0
    wait_for(lambda: client.hlen("unacked") == 0)


def test_remote_control_answers_also_while_a_task_runs(worker: Worker) -> None:
    worker.send("busy", sleep_s=1.5)
    wait_for(lambda: "busy" in worker.notes())
    assert worker.app.control.ping([NODE], timeout=1.0) == [{NODE: {"ok": "pong"}}]
    inspect = worker.app.control.inspect([NODE], timeout=1.0)
    assert [task["name"] for task in inspect.active()[NODE]] == ["note"]
    assert inspect.stats()[NODE]["pool"]["max-concurrency"] == 1


def test_a_busy_worker_leaves_hints_in_the_queue(worker: Worker) -> None:
    worker.send("long", sleep_s=1.0)
    wait_for(lambda: "long" in worker.notes())
    for word in ("d", "e"):
        worker.send(word)
    time.sleep(0.4)
    client = redis.Redis.from_url(worker.broker.url)
    assert (client.llen(QUEUE), client.hlen("unacked")) == (2, 0)
    wait_for(lambda: {"d", "e"} <= set(worker.notes()))


def test_queues_are_taken_from_and_left_while_a_task_runs(worker: Worker) -> None:
    worker.send("still", sleep_s=1.0)
    wait_for(lambda: "still" in worker.notes())
    before = time.monotonic()
    added = "farm.v1.high.other"
    steer(worker.app, [NODE], take=[added], leave=[])
    inspect = worker.app.control.inspect([NODE], timeout=2.0)
    assert added in [queue["name"] for queue in inspect.active_queues()[NODE]]
    assert time.monotonic() - before < 2.0
    worker.send("there", queue=added)
    wait_for(lambda: "there" in worker.notes())
    steer(worker.app, [NODE], take=[], leave=[added])
    worker.send("last")
    wait_for(lambda: "last" in worker.notes())
    worker.send("nobody", queue=added)
    time.sleep(0.5)
    assert "nobody" not in worker.notes()


def test_of_many_queues_the_last_one_is_taken_from_at_once(worker: Worker) -> None:
    """Told of one after the other, a worker waits a second for hints in the first alone."""
    many = [f"farm.v1.normal.root{n:02}" for n in range(12)]
    steer(worker.app, [NODE], take=[], leave=[QUEUE])
    time.sleep(1.5)  # it asks the broker for nothing now
    worker.send("late", queue=many[-1])
    begun = time.monotonic()
    steer(worker.app, [NODE], take=many, leave=[])
    wait_for(lambda: "late" in worker.notes())
    took_s = time.monotonic() - begun
    steer(worker.app, [NODE], take=[QUEUE], leave=many)
    assert took_s < 0.5


def test_events_arrive_as_a_monitor_asks_for_them(worker: Worker) -> None:
    seen: list[str] = []
    wanted = {"task-received", "task-started", "task-succeeded"}

    def watch() -> None:
        with worker.app.connection() as connection:
            receiver = worker.app.events.Receiver(
                connection, handlers={"*": lambda event: seen.append(event["type"])}
            )
            for _ in receiver.itercapture(timeout=10.0):
                if wanted <= set(seen):  # the first that is heard may be in the middle of a task
                    break

    thread = threading.Thread(target=watch)
    thread.start()
    while thread.is_alive():
        worker.send("seen")
        thread.join(0.5)
    assert wanted <= set(seen)


def test_after_a_crash_in_a_task_the_worker_goes_on_with_a_new_process(worker: Worker) -> None:
    (before,) = worker.children()
    worker.send("crash", crash=True)
    worker.send("after")
    wait_for(lambda: "after" in worker.notes())
    assert worker.children() != [before]
    assert worker.notes().count("crash") == 1
    assert worker.process.poll() is None


def test_nothing_was_refused(worker: Worker) -> None:
    admin = redis.Redis.from_url(worker.broker.admin_url, decode_responses=True)
    assert admin.acl_log() == []


def test_no_process_outlives_a_killed_worker(worker: Worker) -> None:
    (child,) = worker.children()
    worker.send("endless", sleep_s=60)
    wait_for(lambda: "endless" in worker.notes())
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie", 1)
