"""A folder, a port and passwords to the text of the embedded server's configuration. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

STATE_FOLDER = "appendonlydir"
LOOPBACK = "127.0.0.1"

# What Celery 5.7 with kombu's Redis transport touches, and the farm's own names.
FARM_KEYS = (
    "farm.*",  # hint queues, farm.v1.<priority>.<root>
    "farm:*",  # leases, heartbeats and the rest of the farm's state
    "_kombu.*",  # bindings
    "unacked*",  # messages that are being handed over, their index and mutex
    "celery*",  # event queues (celeryev…), Celery's default queue
    "*.celery.pidbox*",  # remote control and its reply queues
)
# kombu subscribes by pattern, and a pattern is allowed only where it stands here letter by letter.
FARM_CHANNELS = (
    "/0.celery.pidbox",  # remote control; 0 is the database
    "/0.celeryev/*",  # events, as Flower asks for them
    "/0.celeryev/worker.*",  # events, as another worker's gossip asks for them
    "farm.*",
    "farm:*",
)
# Read and write anything under those keys, run scripts, ask for time and health; nothing that
# changes the server, empties or lists it whole, stops it or looks at other clients.
FARM_COMMANDS = (
    "+@read +@write +@connection +@transaction +@pubsub -@scripting -@dangerous "
    "+eval +evalsha +script|load +script|exists +info +time +acl|whoami"
)


@dataclass(frozen=True, slots=True)
class Access:
    """Where the server listens, and with which passwords. host: an IP address."""

    port: int
    farm_password: str
    admin_password: str
    host: str = LOOPBACK

    @property
    def bound(self) -> str:
        """The addresses it listens on: the loopback interface always, for this machine's farm."""
        covered = ip_address(self.host) in (ip_address(LOOPBACK), ip_address("0.0.0.0"))
        return self.host if covered else f"{LOOPBACK} {self.host}"

    def url(self, user: str, password: str) -> str:
        return f"redis://{user}:{quote(password, safe='')}@{LOOPBACK}:{self.port}/0"


def conf_text(folder: Path, access: Access) -> bytes:
    """valkey.conf for a server that keeps its state in `folder`; holds hashes, no passwords."""
    keys = " ".join(f"~{pattern}" for pattern in FARM_KEYS)
    channels = " ".join(f"&{pattern}" for pattern in FARM_CHANNELS)
    return f"""\
# Written by `farm` at each start: changes are lost.
bind {access.bound}
port {access.port}
protected-mode yes
databases 1
daemonize no
pidfile {_quoted(folder / "valkey.pid")}
# Standard output, which the supervisor appends to broker.log.
logfile ""

dir {_quoted(folder)}
# No snapshots: the append-only file is the one record, at most a second behind.
save ""
appendonly yes
appenddirname {STATE_FOLDER}
appendfsync everysec
# A power cut tears the last entry: go on without it, the reconciler mends a lost hint.
aof-load-truncated yes
auto-aof-rewrite-min-size 16mb
# Old ARM64 kernels may damage a rewrite: no reason to refuse, what is lost is hinted again.
ignore-warnings ARM64-COW-BUG

# Hints are bounded: some 100,000 of them fit, far more than a farm keeps. Beyond that something
# runs wild, and a refused write is better than a NAS that swaps. Never evict: that loses a queue.
maxmemory 256mb
maxmemory-policy noeviction

# Fits the usual limit of 1024 open files.
maxclients 900
# Idle clients are kept: a closed pooled connection fails its owner's next command. Dead ones are
# found by the kernel's probes.
timeout 0
tcp-keepalive 30

user default off resetpass resetkeys resetchannels -@all
user farm on {_hashed(access.farm_password)} {keys} resetchannels {channels} -@all {FARM_COMMANDS}
user admin on {_hashed(access.admin_password)} ~* &* +@all
""".encode()


def _hashed(password: str) -> str:
    """A password as the configuration wants it. One round is enough: the file is its owner's."""
    return "#" + hashlib.sha256(password.encode()).hexdigest()


def _quoted(path: Path) -> str:
    """A path as a configuration value: any byte that is not plain ASCII text as \\xHH."""
    plain = range(0x20, 0x7F)
    text = "".join(
        chr(byte) if byte in plain and byte not in b'"\\' else f"\\x{byte:02x}"
        for byte in str(path).encode(errors="surrogateescape")
    )
    return f'"{text}"'
