"""The embedded broker: private, kept with its state through kills, one to a folder."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from nasfarm.broker.embedded import EmbeddedBroker, prepare, ready, set_aside_damaged, url_of
from nasfarm.errors import BrokerError, RejectError
from nasfarm.nodes.process import spawn, stop
from nasfarm.nodes.supervisor import Child, Exit, Supervisor

Process = subprocess.Popen[bytes]


def client_of(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_for(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


@contextmanager
def serving(folder: Path, port: int | None = None) -> Iterator[tuple[EmbeddedBroker, Process]]:
    """One server that answers, without a supervisor; kill it if you like."""
    broker = prepare(folder, port)
    process = spawn(broker.argv, broker.log_path, pass_fds=[broker.lock_fd])
    try:
        ready(broker.url, 10.0)
        yield broker, process
    finally:
        stop(process)
        broker.release()


@contextmanager
def supervised(
    folder: Path, on_exit: Callable[[Child, Exit], None] = lambda _child, _ended: None
) -> Iterator[tuple[EmbeddedBroker, Supervisor]]:
    """One server under a supervisor."""
    broker = prepare(folder)
    child = Child("broker", broker.argv, broker.log_path, pass_fds=(broker.lock_fd,))
    supervisor = Supervisor([child], on_exit=on_exit)
    thread = threading.Thread(target=supervisor.run, kwargs={"on_signals": False})
    thread.start()
    try:
        yield broker, supervisor
    finally:
        supervisor.request_stop()
        thread.join(15.0)
        broker.release()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "broker"


def test_it_answers_on_the_loopback_interface_only(folder: Path) -> None:
    with serving(folder) as (broker, process):
        listening = [
            connection.laddr
            for connection in psutil.Process(process.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", broker.port)]


def test_secrets_are_readable_by_their_owner_alone(folder: Path) -> None:
    with serving(folder) as (broker, _):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for name in ("valkey.conf", "url", "admin_url"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
        password = urlsplit(broker.url).password
        assert password is not None
        assert len(password) >= 40
        assert password not in (folder / "valkey.conf").read_text()
        assert password not in broker.log_path.read_text()
        assert password not in " ".join(broker.argv)


def test_a_second_start_keeps_port_and_passwords(folder: Path) -> None:
    with serving(folder) as (first, _):
        pass
    with serving(folder) as (second, _):
        assert (second.url, second.admin_url) == (first.url, first.admin_url)
        assert url_of(folder) == first.url


def test_the_address_can_be_found_from_the_first_start_on(folder: Path) -> None:
    assert url_of(folder) is None
    broker = prepare(folder)
    broker.release()
    assert url_of(folder) == broker.url


def test_a_damaged_address_file_is_made_anew(folder: Path) -> None:
    prepare(folder).release()
    (folder / "url").write_text("redis://farm@127.0.0.1:notaport/0")
    with serving(folder) as (broker, _):
        assert url_of(folder) == broker.url


def test_a_port_taken_meanwhile_is_given_up_for_another(folder: Path) -> None:
    broker = prepare(folder)
    broker.release()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", broker.port))
        other.listen()
        with serving(folder) as (moved, _):
            assert moved.port != broker.port
            assert url_of(folder) == moved.url


def test_a_wanted_port_is_used_or_refused_by_name(folder: Path, tmp_path: Path) -> None:
    first = prepare(folder)
    first.release()
    with serving(folder, first.port):
        with pytest.raises(RejectError, match=rf"127\.0\.0\.1:{first.port}.* another program"):
            prepare(tmp_path / "other", first.port)
        assert url_of(tmp_path / "other") is None


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("with space", id="space"),
        pytest.param('quo"te\\back', id="quote and backslash"),
        pytest.param("照片", id="Chinese"),
        pytest.param(os.fsdecode(b"caf\xe9"), id="not UTF-8"),
        pytest.param("new\nline", id="line break"),
    ],
)
def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    with serving(tmp_path / name) as (broker, _):
        client_of(broker.url).set("farm:x", 1)
    assert (tmp_path / name / "appendonlydir").is_dir()


def test_a_second_server_on_one_folder_is_refused_and_the_first_is_named(folder: Path) -> None:
    with serving(folder), pytest.raises(RejectError) as refused:
        prepare(folder)
    for part in (str(folder), "already runs", f"process id {os.getpid()}", "farm down"):
        assert part in str(refused.value)


def test_the_folder_stays_locked_while_the_server_lives_without_its_farm(folder: Path) -> None:
    broker = prepare(folder)
    process = spawn(broker.argv, broker.log_path, pass_fds=[broker.lock_fd])
    try:
        ready(broker.url, 10.0)
        broker.release()
        with pytest.raises(RejectError, match="already runs"):
            prepare(folder)
    finally:
        stop(process)
    prepare(folder).release()


@pytest.mark.parametrize(
    "user",
    [
        pytest.param("", id="default user without a password"),
        pytest.param("default:x@", id="default user with one"),
        pytest.param("farm:wrong@", id="farm user with a wrong one"),
    ],
)
def test_nobody_gets_in_without_the_password(folder: Path, user: str) -> None:
    with serving(folder) as (broker, _), pytest.raises(redis.AuthenticationError):
        client_of(f"redis://{user}127.0.0.1:{broker.port}/0").ping()


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG GET requirepass",
        "FLUSHALL",
        "FLUSHDB",
        "SHUTDOWN",
        "KEYS *",
        "MONITOR",
        "LATENCY RESET",
        "CLIENT LIST",
        "CLIENT KILL TYPE normal",
        "ACL LIST",
        "SCRIPT FLUSH",
        "FUNCTION LIST",
        "MODULE LIST",
        "REPLICAOF NO ONE",
        "BGREWRITEAOF",
        "SAVE",
        "GET elsewhere",
        "PUBLISH elsewhere x",
        "EVAL \"return redis.call('FLUSHALL')\" 0",
    ],
)
def test_the_farm_user_may_not(refusing: redis.Redis, command: str) -> None:
    with pytest.raises(redis.ResponseError, match=r"(?i)permission|can't run this command"):
        refusing.execute_command(*shlex.split(command))


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    with serving(tmp_path_factory.mktemp("acl") / "broker") as (broker, _):
        yield client_of(broker.url)


def test_the_farm_user_may_do_what_leases_need(refusing: redis.Redis) -> None:
    client = refusing
    script = client.register_script(
        "redis.call('HSET', KEYS[1], 't', redis.call('TIME')[1]) return redis.call('HLEN', KEYS[1])"
    )
    assert script(keys=["farm:leases:j"]) == 1
    assert script(keys=["farm:leases:j"]) == 1
    assert client.set("farm:reconciler", "a", nx=True, px=5000)
    assert not client.set("farm:reconciler", "b", nx=True, px=5000)
    with client.pipeline() as pipe:
        pipe.sadd("farm:live", "j").hset("farm:job:j", "ok", 1).setbit("farm:done:j", 7, 1)
        assert pipe.execute() == [1, 1, 0]
    assert set(client.scan_iter("farm:*")) == {
        "farm:leases:j", "farm:reconciler", "farm:live", "farm:job:j", "farm:done:j"
    }  # fmt: skip
    assert client.time()[0] > 0
    assert client.info("memory")["maxmemory_policy"] == "noeviction"
    with client.pubsub() as pubsub:
        pubsub.subscribe("farm:news")
        assert client.publish("farm:news", "x") == 1


def test_the_admin_user_may_ask_for_the_settings_that_keep_the_state(folder: Path) -> None:
    with serving(folder) as (broker, _):
        admin = client_of(broker.admin_url)
        wanted = {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        assert admin.config_get(*wanted) == wanted


def test_four_hundred_writes_survive_a_kill_a_second_later(folder: Path) -> None:
    with serving(folder) as (broker, process):
        client = client_of(broker.url)
        for number in range(400):
            client.rpush("farm.v1.normal.photos", number)
        time.sleep(1.1)
        process.kill()
        process.wait()
    with serving(folder) as (broker, _):
        found = client_of(broker.url).lrange("farm.v1.normal.photos", 0, -1)
    assert found == [str(number) for number in range(400)]


def test_a_clean_stop_loses_not_even_the_last_write(folder: Path) -> None:
    with serving(folder) as (broker, process):
        client_of(broker.url).set("farm:last", "kept")
        assert stop(process) == 0
    with serving(folder) as (broker, _):
        assert client_of(broker.url).get("farm:last") == "kept"


def test_a_torn_last_entry_costs_that_entry_only(folder: Path) -> None:
    with serving(folder) as (broker, _):
        for number in range(10):
            client_of(broker.url).rpush("farm:list", number)
    (record,) = folder.glob("appendonlydir/*.incr.aof")
    os.truncate(record, record.stat().st_size - 5)
    with serving(folder) as (broker, _):
        assert client_of(broker.url).lrange("farm:list", 0, -1) == [str(n) for n in range(9)]


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        pytest.param("*.incr.aof", lambda path: path.write_bytes(b"\0" * 64), id="zeros"),
        pytest.param("*.incr.aof", lambda path: path.write_bytes(b"*1\r\nx"), id="garbage"),
        pytest.param("*.base.rdb", zero, id="no base"),
        pytest.param("*.base.rdb", lambda path: os.truncate(path, 40), id="cut base"),
        pytest.param("*.base.rdb", lambda path: path.unlink(), id="missing base"),
        pytest.param("*.manifest", zero, id="no manifest"),
    ],
)
def test_state_that_cannot_be_loaded_is_set_aside_and_the_next_start_succeeds(
    folder: Path, pattern: str, damage: Callable[[Path], None]
) -> None:
    with serving(folder):
        pass
    (path,) = folder.glob(f"appendonlydir/{pattern}")
    damage(path)
    aside: list[Path | None] = []

    def mend(_child: Child, ended: Exit) -> None:
        aside.append(set_aside_damaged(folder, ended.code, ended.last_lines))

    with supervised(folder, mend) as (broker, _):
        ready(broker.url, 5.0)
        assert client_of(broker.url).set("farm:new", 1)
        assert aside == [folder / "appendonlydir.damaged"]
    assert (folder / "appendonlydir.damaged").is_dir()


@pytest.mark.parametrize(
    ("code", "last_lines"),
    [
        pytest.param(-9, ["1:M # Error writing to the AOF file"], id="killed"),
        pytest.param(0, ["1:M # Valkey is now ready to exit, bye bye..."], id="stopped"),
        pytest.param(1, ["1:M # Warning: Could not create server TCP listening socket"], id="port"),
        pytest.param(1, ["1:M * DB loaded from append only file"], id="good news"),
    ],
)
def test_state_is_left_alone_after_any_other_end(
    tmp_path: Path, code: int, last_lines: list[str]
) -> None:
    (tmp_path / "appendonlydir").mkdir()
    assert set_aside_damaged(tmp_path, code, last_lines) is None
    assert (tmp_path / "appendonlydir").is_dir()


def test_a_server_that_does_not_answer_is_named(folder: Path) -> None:
    broker = prepare(folder)
    broker.release()
    with pytest.raises(BrokerError, match=rf"127\.0\.0\.1:{broker.port}.* within 0\.3 s") as error:
        ready(broker.url, 0.3)
    assert str(urlsplit(broker.url).password) not in str(error.value)


def test_a_killed_server_is_back_with_its_state_within_two_seconds(folder: Path) -> None:
    with supervised(folder) as (broker, supervisor):
        ready(broker.url, 10.0)
        client_of(broker.url).set("farm:kept", 1)
        time.sleep(1.1)
        for _ in range(2):
            killed_at = time.monotonic()
            os.kill(supervisor.pids()["broker"], signal.SIGKILL)
            wait_for(lambda: is_free(broker.port))
            ready(broker.url, 5.0)
            assert time.monotonic() - killed_at < 2.0
            assert client_of(broker.url).get("farm:kept") == "1"
    assert is_free(broker.port)


UP = """
import sys
from pathlib import Path
from nasfarm.broker.embedded import prepare
from nasfarm.nodes.supervisor import Child, Supervisor
broker = prepare(Path(sys.argv[1]))
Supervisor([Child("broker", broker.argv, broker.log_path, pass_fds=(broker.lock_fd,))]).run()
"""


def test_a_server_goes_with_its_killed_farm_and_the_next_start_finds_its_state(
    folder: Path,
) -> None:
    farm = subprocess.Popen([sys.executable, "-c", UP, str(folder)])
    try:
        wait_for(lambda: (folder / "valkey.pid").exists())
        url = url_of(folder)
        assert url is not None
        ready(url, 5.0)
        server = int((folder / "valkey.pid").read_text())
        # Not a second old: the server writes it out when it is told to go.
        client_of(url).set("farm:last", "kept")
    finally:
        farm.kill()
        farm.wait()
    with serving(folder) as (broker, _):  # at once: it waits for the old server to go
        assert is_gone(server)
        assert broker.url == url
        assert client_of(url).get("farm:last") == "kept"
    wait_for(lambda: is_free(broker.port), timeout_s=1.0)
