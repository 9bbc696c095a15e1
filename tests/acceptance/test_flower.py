"""Flower as the farm runs it: real workers and tasks in it, closed, kept over a restart."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from books import finish, put_photos, records, with_slow_photos
from farmyard import Farmyard, wait_until
from nasfarm.broker import embedded
from nasfarm.broker.celery_app import create_celery
from nasfarm.broker.told import PROGRESS, tell_progress
from nasfarm.core.lease_rules import Held
from nasfarm.core.leases import Lease
from nasfarm.nodes.process import spawn, stop
from ownbroker import own_broker

LOGIN = ("anna", "let me see")
CHUNK = re.compile(r"\d+ images? · job detect-[0-9a-f]{10} · chunk \d+")


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Iterator[Farmyard]:
    """A farm with Flower behind a login, and slow photos."""
    folder = tmp_path_factory.mktemp("flower")
    settings = {"FARM_FLOWER_PASSWORD_FILE": str(login_file(folder)), "FARM_NODE": "nas"}
    yard = Farmyard(folder, {**settings, **with_slow_photos()}, flower=True)
    try:
        yard.up()
        # What happens before it listens is not shown; it has heard of workers when it does.
        wait_until(lambda: len(workers_heard(yard)) == len(yard.slot_pids()), 30, "it is deaf")
        yield yard
    finally:
        yard.close()


def login_file(folder: Path) -> Path:
    path = folder / "login"
    path.write_text(":".join(LOGIN) + "\n")
    return path


def ask(farm: Farmyard, path: str, *, method: str = "GET", **more: Any) -> httpx.Response:
    """A request with the login, unless told otherwise."""
    url = f"http://127.0.0.1:{farm.ports[1]}{path}"
    return httpx.request(method, url, **{"auth": LOGIN, "timeout": 20, **more})


def tasks(farm: Farmyard) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = ask(farm, "/api/tasks").raise_for_status().json()
    return found


def workers_heard(farm: Farmyard) -> list[dict[str, Any]]:
    answer = ask(farm, "/workers?json=1")
    return list(answer.json()["data"]) if answer.status_code == 200 else []


def ran(farm: Farmyard, job_id: str) -> list[dict[str, Any]]:
    """The job's tasks that have run a chunk, all of it good."""
    its = (task for task in tasks(farm).values() if job_id in task["args"])
    good = re.compile(r"'\d+ ok, 0 failed'")
    return [t for t in its if t["state"] == "SUCCESS" and good.fullmatch(t["result"])]


def images_of(task: dict[str, Any]) -> int:
    return int(task["args"].partition(" ")[0])


def job_of(farm: Farmyard, name: str, count: int, slow_s: float) -> str:
    folder = put_photos(farm, count, slow_s, name)
    job_id: str = farm.ok("submit", folder, "--recipe", "detect", "--json").json["job_id"]
    return job_id


@pytest.mark.short
def test_tasks_are_shown_by_recipe_and_what_they_are_about_and_workers_by_name(
    farm: Farmyard,
) -> None:
    job_id = job_of(farm, "short", 24, 0.05)
    finish(farm, job_id, 24, 60)
    slots = {f"slot{slot['number']}@nas" for slot in farm.nodes()[0]["slots"]}
    # Events come after the work, and a chunk that was hinted twice is refused the second time.
    wait_until(lambda: sum(map(images_of, ran(farm, job_id))) == 24, 20, "not all are shown")
    for task in ran(farm, job_id):
        assert task["name"] == "detect"
        assert CHUNK.fullmatch(task["args"]), task["args"]
        assert task["worker"] in slots
    wait_until(lambda: set(ask(farm, "/api/workers").json()) == slots, 10, "workers are missing")
    for path in ("/", "/workers", "/tasks", "/broker", f"/worker/{min(slots)}",
                 f"/task/{job_id}.0"):  # fmt: skip
        assert ask(farm, path).status_code == 200, path


def test_how_far_a_chunk_is_is_seen_while_it_runs(farm: Farmyard) -> None:
    heard: list[dict[str, Any]] = []
    with listening(farm, heard):
        job_id = job_of(farm, "long", 30, 0.3)
        wait_until(lambda: "PROGRESS" in states(farm, job_id), 30, "no progress in Flower")
        [task, *_] = [
            task for task in tasks(farm).values()
            if job_id in task["args"] and task["state"] == "PROGRESS"
        ]  # fmt: skip
        assert re.fullmatch(r"\d+ of \d+ images", task["result"]), task["result"]
        finish(farm, job_id, 30, 60)
    assert heard
    spans: dict[str, list[float]] = {}
    for event in heard:
        assert 0 < event["done"] <= event["images"]
        assert event["hostname"].endswith("@nas")
        spans.setdefault(event["hostname"], []).append(event["timestamp"])
    for times in spans.values():
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert not gaps or min(gaps) > 0.9, "more than one a second"


def states(farm: Farmyard, job_id: str) -> set[str]:
    return {task["state"] for task in tasks(farm).values() if job_id in (task["args"] or "")}


@contextmanager
def listening(farm: Farmyard, heard: list[dict[str, Any]]) -> Iterator[None]:
    """Hear progress as `celery events` would, while the block runs."""
    app = create_celery((farm.state / "broker" / "url").read_text())

    def listen() -> None:
        with app.connection() as connection:
            receiver = app.events.Receiver(connection, {PROGRESS: heard.append})
            receivers.append(receiver)
            for _ in receiver.itercapture(timeout=120, wakeup=False):
                pass

    receivers: list[Any] = []
    thread = threading.Thread(target=listen)
    thread.start()
    try:
        wait_until(lambda: bool(receivers), 10, "does not listen")
        time.sleep(0.5)
        yield
    finally:
        receivers[0].should_stop = True
        thread.join(10)
        app.close()


@pytest.mark.short
@pytest.mark.parametrize(
    "path",
    [
        "/api/worker/shutdown/slot0@nas",
        "/api/worker/pool/grow/slot0@nas",
        "/api/worker/queue/cancel-consumer/slot0@nas?queue=farm.v1.normal.home",
        "/api/task/revoke/detect-1.0?terminate=true",
        "/api/task/send-task/farm.chunk",
        "/api/task/apply/farm.chunk",
    ],
)
def test_nothing_can_be_changed_through_it(farm: Farmyard, path: str) -> None:
    assert ask(farm, path, method="POST", json={"args": []}).status_code == 403
    assert {slot["state"] for slot in farm.nodes()[0]["slots"]} == {"ready"}


@pytest.mark.short
@pytest.mark.parametrize(
    "path",
    ["/", "/workers", "/tasks", "/broker", "/metrics", "/healthcheck", "/login", "/logout",
     "/api/tasks", "/api/workers", "/api/queues/length", "/static/js/flower.js", "/nothing"],
)  # fmt: skip
def test_without_the_login_nothing_is_shown(farm: Farmyard, path: str) -> None:
    for auth in (None, ("anna", "guess"), ("", "")):
        answer = ask(farm, path, auth=auth)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
        assert answer.content == b""


def test_its_log_has_nothing_to_mend_and_no_secret(farm: Farmyard) -> None:
    ask(farm, "/tasks", auth=None)
    said = flower_log(farm)
    assert [line for line in said.splitlines() if '"level": "info"' not in line] == []
    raw = (farm.state / "logs" / "flower.log").read_text()
    assert "Traceback" not in raw
    assert "Warning" not in raw
    password = (farm.state / "broker" / "url").read_text().split(":")[2].partition("@")[0]
    pages = "".join(ask(farm, path).text for path in ("/broker", "/workers", "/worker/slot0@nas"))
    for text in (said, raw, pages):
        assert password not in text
        assert LOGIN[1] not in text


def flower_log(farm: Farmyard) -> str:
    path = farm.state / "logs" / "flower.jsonl"
    return path.read_text() if path.exists() else ""


def test_what_it_knows_is_kept_and_nothing_of_it_is_left_after_a_stop(farm: Farmyard) -> None:
    known = set(tasks(farm))
    assert known
    begun = time.monotonic()
    farm.ok("down")
    took_s = time.monotonic() - begun
    assert farm.processes() == []
    print(f"down in {took_s:.1f} s")
    ends = [end for end in records(farm, "child_exit", "up.jsonl") if end["child"] == "flower"]
    assert ends[-1]["how"] == "ended with exit status 0"  # by itself: it saved what it knows
    farm.up()
    assert known <= set(tasks(farm))
    state = farm.state / "flower" / "state"
    farm.ok("down")
    for path in state.parent.glob("state*"):
        path.write_bytes(b"damaged")
    farm.up()
    assert tasks(farm) == {}
    assert list(state.parent.glob("*.corrupt"))


def test_it_ends_in_a_moment_and_is_started_again(farm: Farmyard) -> None:
    [process] = [one for one in farm.processes() if one.cmdline()[-1:] == ["flower"]]
    begun = time.monotonic()
    process.terminate()
    gone, _alive = psutil.wait_procs([process], 10)
    took_s = time.monotonic() - begun
    print(f"ended in {took_s:.2f} s")
    assert gone
    assert took_s < 2
    wait_until(lambda: answers(farm), 20, "it is not started again")


def answers(farm: Farmyard) -> bool:
    try:
        return ask(farm, "/").status_code == 200
    except httpx.HTTPError:
        return False


# -- by itself -----------------------------------------------------------------------------------


@contextmanager
def alone(folder: Path, url: str, **settings: str) -> Iterator[Farmyard]:
    """`farm flower` beside a broker, without a farm."""
    yard = Farmyard(folder, {"FARM_BROKER_URL": url, **settings})
    process = subprocess.Popen(
        [sys.executable, "-m", "nasfarm", "flower"], env=yard.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield yard
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_on_this_machine_it_needs_no_login_and_answers_to_no_other_name(tmp_path: Path) -> None:
    with own_broker(tmp_path / "broker") as broker, alone(tmp_path, broker.url) as yard:
        wait_until(lambda: answers_openly(yard), 20, "it does not answer")
        host = {"Host": f"evil.example:{yard.ports[1]}"}
        assert ask(yard, "/", auth=None, headers=host).status_code == 403
        assert ask(yard, "/tasks", auth=None).status_code == 200
        shut = ask(yard, "/api/worker/shutdown/slot0@nas", auth=None, method="POST")
        assert shut.status_code == 403
        assert "Access-Control-Allow-Origin" not in ask(yard, "/tasks", auth=None).headers


def test_a_large_request_is_not_read_before_it_is_refused(tmp_path: Path) -> None:
    with alone(tmp_path, "redis://127.0.0.1:1/0") as yard:
        wait_until(lambda: answers_openly(yard), what="Flower")
        with socket.create_connection(("127.0.0.1", yard.ports[1]), 10) as client:
            client.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
            assert client.recv(100) in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n")


def answers_openly(yard: Farmyard) -> bool:
    try:
        return ask(yard, "/", auth=None).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.short
def test_beyond_this_machine_it_does_not_start_without_a_login(tmp_path: Path) -> None:
    settings = {"FARM_BROKER_URL": "redis://127.0.0.1:1/0", "FARM_FLOWER_LISTEN": "0.0.0.0:5555"}
    ran = Farmyard(tmp_path, settings).run("flower")
    assert ran.code == 2
    assert "flower.password_file" in ran.err


@pytest.mark.short
def test_a_password_file_that_says_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "login"
    path.write_text("anna\n")
    settings = {"FARM_BROKER_URL": "redis://127.0.0.1:1/0", "FARM_FLOWER_PASSWORD_FILE": str(path)}
    ran = Farmyard(tmp_path, settings).run("flower")
    assert ran.code == 2
    assert f"{path}: wanted one line of the form name:password" in ran.err


def test_it_waits_for_a_broker_that_is_away_and_hears_events_when_it_is_there(
    tmp_path: Path,
) -> None:
    broker = embedded.prepare(tmp_path / "broker")
    key = {"FARM_FLOWER_PASSWORD_FILE": str(login_file(tmp_path))}
    with alone(tmp_path, broker.url, **key) as yard:
        wait_until(lambda: answers(yard), 20, "it does not answer")
        wait_until(lambda: "events_away" in flower_log(yard), 20, "it does not say so")
        time.sleep(5)
        assert flower_log(yard).count("events_away") == 1, "it says so again and again"
        process = spawn(broker.argv, broker.log_path, pass_fds=(broker.lock_fd,))
        try:
            embedded.ready(broker.url, 20)
            app = create_celery(broker.url)
            wait_until(lambda: hears(yard, app), 30, "it hears nothing")
            app.close()
        finally:
            stop(process)
            broker.release()


def hears(yard: Farmyard, app: Any) -> bool:
    lease = Lease("job-1", 0, Held(1, "", 0, "nas", "", ""))
    tell_progress(app, "slot0@nas", lease, 1, 2)
    time.sleep(0.5)
    task = tasks(yard).get("job-1.0")
    return task is not None and task["result"] == "1 of 2 images"


def test_an_address_that_is_taken_stops_no_farm(tmp_path: Path, cached_models: None) -> None:
    yard = Farmyard(tmp_path, flower=True)
    blocker = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(yard.ports[1]), "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: answers_at_all(yard), 10, "the port is not taken")
        yard.ok("init")
        up = yard.ok("up", "--detach", "--no-watch", "--no-page")
        assert f"Flower does not answer yet at 127.0.0.1:{yard.ports[1]}" in up.err
        wait_until(lambda: "flower.listen" in said_by_up(yard), 10, "nobody says why")
        assert "Stop the program that does" in said_by_up(yard)
        time.sleep(5)
        assert said_by_up(yard).count("Stop the program that does") == 1
        assert json.loads(yard.ok("nodes", "--json").out)
    finally:
        blocker.kill()
        blocker.wait()
        try:
            wait_until(lambda: answers_openly(yard), 40, "it is not tried again")
        finally:
            yard.close()


def said_by_up(yard: Farmyard) -> str:
    return (yard.state / "logs" / "up.log").read_text()


def answers_at_all(yard: Farmyard) -> bool:
    try:
        ask(yard, "/", auth=None)
        return True
    except httpx.HTTPError:
        return False
