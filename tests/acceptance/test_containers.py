"""The farm in real containers, as docs/guide/containers.md has it: killed, recreated, removed."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_readme import JOB, blocks, plain

from boxes import IMAGE, OWNER, TOP, Box, build_image, fetched_models, lines_of, podman, running
from farmyard import Ran, kill9, wait_until
from pictures import pictures

BASE = "docker.io/library/python:3.11-slim-bookworm"
SERVICES = ("broker", "agent", "watcher", "flower", "status")
DROPPED, PHOTOS = 200, 300


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def bring_photos(folder: Path, count: int) -> None:
    """Small photos of the services' user, each another file."""
    for path in pictures(folder, count):
        os.chown(path, OWNER, OWNER)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Path:
    return fetched_models(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Box]:
    """A whole farm on one box, its volumes podman's own."""
    build_image()
    folder = tmp_path_factory.mktemp("first")
    page, flower, broker = free_ports(3)
    settings = {
        "NASFARM_NODE": "first", "NASFARM_PAGE": f"127.0.0.1:{page}",
        "NASFARM_FLOWER": f"127.0.0.1:{flower}", "NASFARM_BROKER": f"127.0.0.1:{broker}",
    }  # fmt: skip
    bring_photos(folder / "photos", PHOTOS)
    init = {"environment": {"XDG_CACHE_HOME": "/cache"}, "volumes": [f"{models}:/cache"]}
    with running(Box(folder, "all", settings, {"services": {"init": init}})) as box:
        box.await_healthy(SERVICES)
        yield box


def submit(box: Box) -> str:
    """Hand in all photos, anew; the job's name."""
    return str(box.farm("submit", "/photos", "--recipe", "detect", "--again")["job_id"])


def begun(box: Box, job: str) -> None:
    folder = box.volume("home") / "jobs" / job / "chunks"
    wait_until(lambda: any(folder.glob("*.jsonl")), 60, "the job does not begin")


def ended(box: Box, job: str) -> None:
    """Wait for a job, which must end with exactly one line for each photo."""
    done = box.farm("wait", job, "--timeout", 120)
    assert (done["state"], done["ok"], done["errors"]) == ("done", PHOTOS, 0)
    lines = lines_of(box.volume("home") / "jobs" / job)
    assert sorted(line["item"] for line in lines) == [
        f"photos:{number:04}.jpg" for number in range(PHOTOS)
    ]


def test_what_is_dropped_into_the_home_becomes_a_line_each(first: Box, tmp_path: Path) -> None:
    bring_photos(tmp_path / "camera", DROPPED)
    inbox = first.volume("home") / "inbox" / "detect"
    shutil.copytree(tmp_path / "camera", inbox / "door", copy_function=shutil.copy)
    # Their folder last: until it is the farm's, nothing is taken out of it.
    for path in sorted(inbox.rglob("*"), reverse=True):
        os.chown(path, OWNER, OWNER)

    def lines() -> list[str]:
        jobs = (first.volume("home") / "jobs").glob("watch-detect-*")
        return [line["item"] for job in jobs for line in lines_of(job)]

    wait_until(lambda: len(lines()) >= DROPPED, 120, "not every dropped photo has its line")
    assert len(lines()) == len(set(lines())) == DROPPED
    assert not [path for path in inbox.rglob("*.jpg")]


def test_a_worker_container_that_is_killed_comes_back_and_the_job_ends(first: Box) -> None:
    job = submit(first)
    begun(first, job)
    # As the kernel kills it for lack of memory. `podman kill` and `docker kill` are a wish of
    # their user's: after them a container stays down until `up`, whatever its restart policy.
    before = int(first.inspect("agent", ".State.Pid"))
    kill9(before)
    wait_until(
        lambda: int(first.inspect("agent", ".State.Pid")) not in (0, before), 30, "it is gone"
    )
    ended(first, job)


def test_a_container_its_user_has_killed_comes_back_with_the_next_up(first: Box) -> None:
    podman("kill", "--signal", "KILL", first.container("watcher"))
    wait_until(lambda: first.inspect("watcher", ".State.Running") == "false", 20)
    first.up("watcher")
    first.await_healthy(["watcher"])


def test_a_second_worker_container_with_its_photos_elsewhere_shares_the_work(
    first: Box, tmp_path: Path
) -> None:
    folder = tmp_path / "second"
    bring_photos(folder / "photos", PHOTOS)
    photos = [f"{folder / 'photos'}:/mnt/pictures:ro"]
    changes = {
        "services": {
            "init": {"command": ["init", "--root", "photos=/mnt/pictures"], "volumes": photos},
            "agent": {"volumes": photos},
        },
        "networks": {"default": {"external": True, "name": f"{first.name}_default"}},
    }
    [page] = free_ports(1)
    settings = {
        "NASFARM_NODE": "second", "NASFARM_PAGE": f"127.0.0.1:{page}",
        "NASFARM_HOME": str(first.volume("home")),
    }  # fmt: skip
    shutil.copytree(first.secrets, folder / "secrets", copy_function=shutil.copy)
    with running(Box(folder, "worker", settings, changes)) as second:
        second.await_healthy(["agent", "status"])
        roots = {root["name"]: root["path"] for root in second.farm("roots", "list")}
        assert roots["photos"] == "/mnt/pictures"
        assert [node["node"] for node in first.farm("nodes")] == ["first", "second"]
        job = submit(first)
        ended(first, job)
        for box in (first, second):
            logs = box.volume("state") / "nasfarm" / "logs"
            done = "".join(path.read_text() for path in logs.glob("slot*.jsonl"))
            assert f'"{job}"' in done, f"{box.settings['NASFARM_NODE']} took no part"
    assert [name for name in second.left() if not name.startswith(first.name)] == []
    # Podman 4.3 knows no names for some 10 s after a container has left a network.
    asked = ("timeout", 1, "getent", "hosts", "broker")
    gone_s = wait_until(lambda: all(first.inside("agent", *asked).code == 0 for _ in range(5)), 60)
    print(f"the broker had no name for {gone_s:.1f} s")


def test_a_broker_container_that_is_recreated_loses_nothing(first: Box) -> None:
    job = submit(first)
    begun(first, job)
    before = first.inspect("broker", ".Id")
    first.compose("up", "-d", "--no-build", "--force-recreate", "broker")
    assert first.inspect("broker", ".Id") != before
    ended(first, job)
    first.await_healthy(SERVICES)


def test_every_command_of_the_containers_page_does_what_the_page_says(
    first: Box, tmp_path: Path
) -> None:
    shutil.copy(TOP / "docker-compose.yml", tmp_path)
    shutil.copytree(TOP / "ops" / "docker", tmp_path / "ops" / "docker")
    job = said = ""
    for block in blocks(TOP / "docs" / "guide" / "containers.md"):
        if block.kind == "sh":
            said = ""
            for line in block.text.splitlines():
                shown = typed(first, tmp_path, re.sub(r"\bJOB\b", job, line))
                job = named.group() if (named := JOB.search(shown)) else job
                said += shown
        elif block.kind == "text" and not block.after_prose:
            for line in filter(None, map(plain, block.text.splitlines())):
                assert line in plain(said), f"promised: {line}, but it says:\n{said}"
    first.await_healthy(SERVICES)


def typed(box: Box, folder: Path, line: str) -> str:
    """What a line of the page prints; `docker compose` is podman's, in this box."""
    words = shlex.split(line)
    if words[:2] != ["docker", "compose"]:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout + done.stderr
    if words[2] == "exec":
        ran = box.inside(*words[3:])
        assert ran.code in (0, 1), f"{line}: exit {ran.code}\n{ran.err}"
        return ran.out + ran.err
    return box.compose(*words[2:], *(["--no-build"] if words[2] == "up" else []))


# -- who gets in, and what a service may do ----------------------------------------------------


def asked(address: str, path: str, login: str = "") -> int:
    """The status with which a page answers from outside the containers."""
    headers = {}
    if login:
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    host, _, port = address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_status_page_and_flower_let_in_only_who_knows_the_password(first: Box) -> None:
    page, flower = first.settings["NASFARM_PAGE"], first.settings["NASFARM_FLOWER"]
    admin = f"admin:{(first.secrets / 'admin_password').read_text().strip()}"
    assert asked(page, "/health/live") == asked(page, "/health/ready") == 200
    assert asked(page, "/metrics") == asked(page, "/") == asked(page, "/", "admin:wrong") == 401
    assert asked(page, "/", admin) == 200
    login = (first.secrets / "flower_login").read_text().strip()
    assert asked(flower, "/workers") == asked(flower, "/workers", "admin:wrong") == 401
    assert asked(flower, "/workers", login) == 200


def test_a_node_in_a_container_pauses_and_resumes(first: Box) -> None:
    assert first.inside("agent", "farm", "pause").code == 0
    wait_until(lambda: bool(first.farm("nodes")[0]["paused"]), 20, "it is not paused")
    assert first.inside("status", "farm", "resume", "first").code == 0
    wait_until(lambda: not first.farm("nodes")[0]["paused"], 20, "it is not resumed")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_nobodys_rights(first: Box, service: str) -> None:
    assert first.inspect(service, ".HostConfig.ReadonlyRootfs") == "true"
    status = first.inside(service, "cat", "/proc/1/status").out
    said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert said["Uid"].split() == [str(OWNER)] * 4
    assert int(said["CapEff"], 16) == int(said["CapBnd"], 16) == 0
    assert said["NoNewPrivs"] == "1"
    for path in ("/opt/nasfarm/x", "/etc/x", "/usr/local/bin/x", "/photos/x"):
        tried = first.inside(service, "touch", path)
        assert refused(tried), f"{service} may write {path}"


def refused(tried: Ran) -> bool:
    return tried.code != 0 and any(
        reason in tried.err for reason in ("Read-only", "Permission denied", "No such file")
    )


def test_photos_cannot_be_written_even_by_their_owner(first: Box) -> None:
    tried = first.inside("agent", "touch", "/photos/x")
    assert "Read-only file system" in tried.err


def test_the_image_holds_no_compiler_and_none_of_this_machine() -> None:
    words = "for each in gcc cc g++ ld; do command -v $each; done; find /etc/pip.conf /src -size +0"
    ran = podman("run", "--rm", "--entrypoint", "sh", IMAGE, "-c", f"{words} 2>/dev/null; true")
    assert ran == ""
    ours, bases = (
        set(json.loads(podman("image", "inspect", "--format", "{{json .Config.Env}}", name)) or ())
        for name in (IMAGE, BASE)
    )
    names = {variable.partition("=")[0] for variable in ours - bases}
    assert names == {"PATH", "HOME", "FARM_HOME", "FARM_STATE_DIR"}


def test_taking_it_down_with_its_volumes_leaves_nothing(first: Box) -> None:
    assert first.left()
    first.down()
    assert first.left() == []
