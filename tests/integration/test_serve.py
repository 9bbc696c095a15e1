"""`farm serve` and `farm users` as processes: they start, refuse, mend and end as they should."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from farmyard import Farmyard, wait_until
from pictures import picture, pictures
from webserver import HTML, token


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(yard: Farmyard, listen: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "nasfarm", "serve"],
        env={**yard.environment(), "FARM_WEB_LISTEN": listen}, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait(5)
        process.stderr.close()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_without_a_farm_and_ends_within_a_second(
    tmp_path: Path, number: signal.Signals
) -> None:
    yard = Farmyard(tmp_path)
    url = f"http://127.0.0.1:{free_port()}"
    with serving(yard, url.removeprefix("http://")) as process:
        wait_until(lambda: answers(url), 20)
        page = httpx.get(url, headers=HTML, trust_env=False)
        assert page.status_code == 200 and "init" in page.text
        with httpx.stream("GET", f"{url}/events", trust_env=False, timeout=5) as stream:
            next(stream.iter_bytes())
            begun = time.monotonic()
            process.send_signal(number)
            assert process.wait(5) == 0
            assert time.monotonic() - begun < 1.5  # a second, and a busy machine
        assert process.stderr is not None
        assert f"The status page is at {url}/" in process.stderr.read().decode()
    lines = (yard.state / "logs" / "serve.jsonl").read_text().splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["serving", "stopped"]


def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    yard = Farmyard(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        yard.settings = {"FARM_WEB_LISTEN": listen}
        ran = yard.run("serve", timeout_s=30)
    assert ran.code == 2
    assert f"{listen}: cannot listen there: another program has it" in ran.err
    assert "web.listen" in ran.err


def test_users_are_made_listed_and_removed_and_before_that_nobody_listens_outside(
    tmp_path: Path,
) -> None:
    yard = Farmyard(tmp_path, {"FARM_WEB_LISTEN": f"192.0.2.7:{free_port()}"})
    ran = yard.run("serve", timeout_s=30)
    assert ran.code == 2 and "farm users add NAME --role operate" in ran.err
    word = tmp_path / "word"
    word.write_text("correct horse\n")
    added = yard.ok("users", "add", "anna", "--role", "operate", "--password-file", word)
    assert "anna may log in now (operate)" in added.err and "horse" not in added.err + added.out
    assert "new password" in yard.ok(
        "users", "add", "anna", "--role", "read", "--password-file", word
    ).err  # fmt: skip
    assert yard.ok("users", "list", "--json").json == [{"name": "anna", "role": "read"}]
    assert "anna  read" in yard.ok("users", "list").out
    ran = yard.run("serve", timeout_s=30)
    assert ran.code == 2 and "cannot listen there" in ran.err  # it is no address of this machine
    yard.ok("users", "remove", "anna")
    assert yard.run("users", "remove", "anna").code == 2
    assert "No user yet" in yard.ok("users", "list").err


def test_a_failed_picture_is_mended_and_tried_again_and_nodes_are_held_from_the_page(
    running_farm: Farmyard,
) -> None:
    folder = running_farm.folder / "photos"
    pictures(folder, 5)
    (folder / "broken.jpg").write_bytes(b"half a picture")
    running_farm.ok("roots", "add", "photos", folder)
    done = running_farm.submit(folder, "--recipe", "detect")
    job_id = done["job_id"]
    assert done["errors"] == 1
    url = f"http://127.0.0.1:{free_port()}"
    asked = {"Accept": "application/json"}
    with (
        serving(running_farm, url.removeprefix("http://")),
        httpx.Client(base_url=url, headers=HTML, timeout=20, trust_env=False) as client,
    ):
        wait_until(lambda: answers(url), 20)
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "missing": {}})
        metrics = client.get("/metrics")
        assert metrics.status_code == 200 and "farm_images_total" in metrics.text
        page = client.get(f"/jobs/{job_id}")
        assert "photos:broken.jpg" in page.text
        (number,) = [line["i"] for line in running_farm.lines(job_id) if "error" in line]
        picture(folder / "broken.jpg", 7)
        sent = {"_xsrf": token(page)}
        said = client.post(f"/jobs/{job_id}/retry/{number}", data=sent, headers=asked)
        assert said.json() == {"said": "1 picture handed in again."}
        running_farm.ok("wait", job_id, "--timeout", 60)
        wait_until(lambda: "Failed pictures" not in client.get(f"/jobs/{job_id}").text, 10)

        (node,) = running_farm.nodes()
        client.post(f"/nodes/{node['node']}/pause", data=sent, headers=asked)
        wait_until(lambda: bool(running_farm.nodes()[0]["held"]), 15)
        assert 'class="state paused"' in client.get("/").text
        client.post(f"/nodes/{node['node']}/resume", data=sent, headers=asked)
        wait_until(lambda: not running_farm.nodes()[0]["held"], 15)
