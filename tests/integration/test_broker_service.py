"""`farm broker`: the queue's server as a service of its own, with a password that others know."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from farmyard import Farmyard, kill9, wait_until

PASSWORD = "härder/than:it@looks %41"


@dataclass(frozen=True, slots=True)
class Service:
    """A running `farm broker`. url: with its password."""

    process: subprocess.Popen[bytes]
    port: int
    url: str
    state: Path

    @property
    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True)

    @property
    def server_pid(self) -> int:
        return int((self.state / "broker" / "valkey.pid").read_text())

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def password_file(folder: Path) -> Path:
    path = folder / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


@contextmanager
def serving(yard: Farmyard, port: int) -> Iterator[Service]:
    """`farm broker` on `port` until the block is left; it must have ended within its grace."""
    yard.folder.mkdir(exist_ok=True)
    words = ["broker", "--listen", f"127.0.0.1:{port}", "--password-file"]
    process = subprocess.Popen(
        [sys.executable, "-m", "nasfarm", *words, str(password_file(yard.folder))],
        env=yard.environment(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"redis://farm:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/0"
    service = Service(process, port, url, yard.state)
    try:
        wait_until(service.answers, 20, "the broker does not answer")
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) in (0, -signal.SIGKILL)


@pytest.fixture
def yard(tmp_path: Path) -> Farmyard:
    return Farmyard(tmp_path / "box")


def test_it_needs_no_home_and_lets_in_only_who_knows_the_password(yard: Farmyard) -> None:
    with serving(yard, free_port()) as service:
        assert not yard.home.exists()
        assert service.client.set("farm:x", 1)
        for user in ("", "default:x@", "farm:wrong@"):
            with pytest.raises(redis.AuthenticationError):
                redis.Redis.from_url(f"redis://{user}127.0.0.1:{service.port}/0").ping()
        with pytest.raises(redis.ResponseError, match=r"(?i)permission"):
            service.client.flushall()
        for path in (yard.state / "broker").rglob("*.conf"):
            assert PASSWORD not in path.read_text()
        assert service.client.info("memory")["maxmemory_policy"] == "noeviction"


def test_what_it_holds_survives_a_kill_of_the_server_and_of_the_service(yard: Farmyard) -> None:
    port = free_port()
    with serving(yard, port) as service:
        service.client.rpush("farm.v1.normal.photos", "hint")
        time.sleep(1.1)  # the append-only file is at most a second behind
        kill9(service.server_pid)
        wait_until(service.answers, 10, "the server is not started again")
        assert service.client.lrange("farm.v1.normal.photos", 0, -1) == ["hint"]
        kill9(service.process.pid)
        # Else the server that is on its way out would answer for the next one.
        wait_until(lambda: not service.answers(), 10, "the server outlives its service")
    with serving(yard, port) as service:
        assert service.client.lrange("farm.v1.normal.photos", 0, -1) == ["hint"]


def test_state_that_cannot_be_loaded_is_set_aside_and_the_service_goes_on(yard: Farmyard) -> None:
    port = free_port()
    with serving(yard, port) as service:
        service.client.set("farm:x", 1)
    [base] = (yard.state / "broker" / "appendonlydir").glob("*.base.rdb")
    os.truncate(base, 40)
    with serving(yard, port) as service:
        assert service.client.get("farm:x") is None
    assert (yard.state / "broker" / "appendonlydir.damaged").is_dir()


def test_a_new_password_counts_from_the_next_start(yard: Farmyard) -> None:
    port = free_port()
    with serving(yard, port) as service:
        old = service.url
    file = yard.folder / "other"
    file.write_text("another one")
    yard.settings = {"FARM_BROKER_PASSWORD_FILE": str(file)}
    process = subprocess.Popen(
        [sys.executable, "-m", "nasfarm", "broker", "--listen", f"127.0.0.1:{port}"],
        env=yard.environment(), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        new = Service(process, port, f"redis://farm:another%20one@127.0.0.1:{port}", yard.state)
        wait_until(new.answers, 20, "the setting's password is not taken")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(old).ping()
    finally:
        process.terminate()
        process.wait(15)


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]", "192.0.2.7"])
def test_beyond_this_machine_it_does_not_listen_without_a_password(
    yard: Farmyard, address: str
) -> None:
    ran = yard.run("broker", "--listen", f"{address}:{free_port()}")
    assert ran.code == 2
    assert "--password-file FILE" in ran.err
    assert not (yard.state / "broker").exists()


@pytest.mark.parametrize("listen", ["6379", "localhost:6379", "127.0.0.1", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused_by_name(yard: Farmyard, listen: str) -> None:
    ran = yard.run("broker", "--listen", listen)
    assert ran.code == 2
    assert f"got {listen}, wanted an IP address and a port" in ran.err


def test_an_empty_password_file_is_refused(yard: Farmyard, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    ran = yard.run("broker", "--listen", "127.0.0.1:6379", "--password-file", tmp_path / "empty")
    assert ran.code == 2
    assert "is empty, wanted a password" in ran.err


def test_its_health_is_told_by_an_exit_status(yard: Farmyard) -> None:
    with serving(yard, free_port()) as service:
        assert yard.run("doctor", "--service", "broker").code == 0
        os.kill(service.process.pid, signal.SIGSTOP)  # so that it starts no new server
        try:
            kill9(service.server_pid)
            ran = yard.run("doctor", "--service", "broker", "--json")
        finally:
            os.kill(service.process.pid, signal.SIGCONT)
        assert ran.code == 2
        assert "does not answer" in ran.json[0]["found"]


def test_a_farm_works_with_it_by_address_and_password_file(farm_home: Farmyard) -> None:
    box = Farmyard(farm_home.folder / "broker-box")
    with serving(box, free_port()) as service:
        farm_home.settings = {
            "FARM_BROKER_URL": f"redis://farm@127.0.0.1:{service.port}/0",
            "FARM_BROKER_PASSWORD_FILE": str(box.folder / "password"),
            "FARM_NODE": "nas",
        }
        farm_home.watch = True
        try:
            assert farm_home.run("doctor", "--service", "worker").code == 2
            farm_home.up()
            assert farm_home.run("doctor", "--service", "worker").code == 0
            assert farm_home.run("doctor", "--service", "watch").code == 0
            assert not (farm_home.state / "broker").exists()
            kill9(farm_home.agent_pid())
            assert farm_home.run("doctor", "--service", "worker").code == 2
        finally:
            farm_home.close()
        assert farm_home.run("doctor", "--service", "watch").code == 2


def test_flower_and_the_status_page_are_asked_where_they_listen(yard: Farmyard) -> None:
    page, flower = free_port(), free_port()
    password = password_file(yard.folder.parent)
    password.write_text("admin:long enough\n")
    with serving(yard, free_port()):
        yard.settings = {
            "FARM_WEB_LISTEN": f"127.0.0.1:{page}",
            "FARM_FLOWER_LISTEN": f"127.0.0.1:{flower}",
            "FARM_FLOWER_PASSWORD_FILE": str(password),
        }
        yard.ok("init", "--no-models")
        for service in ("serve", "flower"):
            assert yard.run("doctor", "--service", service).code == 2
            process = subprocess.Popen(
                [sys.executable, "-m", "nasfarm", service],
                env=yard.environment(), stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                wait_until(lambda: yard.run("doctor", "--service", service).code == 0, 20)  # noqa: B023
            finally:
                process.terminate()
                process.wait(15)
