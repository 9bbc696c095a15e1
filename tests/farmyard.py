"""A real farm for a test: its own home and state, driven through the `farm` command only."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

CORES = sorted(os.sched_getaffinity(0))


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(slots=True)
class Ran:
    """A command that ended: exit status, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout, which must be one JSON document."""
        return json.loads(self.out)


@dataclass(slots=True)
class Farmyard:
    """Home and state below `folder`; whatever it started is ended by `close`.

    watch, flower, page: also run the watcher of the drop folder, Flower, the status page.
    ports: where the status page and Flower listen. shared: the home, where several boxes have one.
    python: with which nasfarm is installed.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    watch: bool = False
    flower: bool = False
    page: bool = False
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    python: str = sys.executable
    shared: Path | None = None

    @property
    def home(self) -> Path:
        return self.shared or self.folder / "home"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def environment(self) -> dict[str, str]:
        clean = {name: text for name, text in os.environ.items() if not name.startswith("FARM_")}
        own = {
            "FARM_HOME": str(self.home),
            "FARM_STATE_DIR": str(self.state),
            # Where a farm listens unless told otherwise, another one may.
            "FARM_WEB_LISTEN": f"127.0.0.1:{self.ports[0]}",
            "FARM_FLOWER_LISTEN": f"127.0.0.1:{self.ports[1]}",
        }
        return {**clean, **own, **self.settings}

    def run(self, *arguments: object, timeout_s: float = 180, cwd: Path | None = None) -> Ran:
        """Run `farm ARGUMENTS` to its end, whatever that is."""
        done = subprocess.run(
            [self.python, "-m", "nasfarm", *map(str, arguments)],
            env=self.environment(), cwd=cwd, timeout=timeout_s, capture_output=True, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *arguments: object, timeout_s: float = 180) -> Ran:
        """Run `farm ARGUMENTS`, which must succeed."""
        ran = self.run(*arguments, timeout_s=timeout_s)
        assert ran.code == 0, f"farm {arguments}: exit {ran.code}\n{ran.err}\n{ran.out}"
        return ran

    def up(self) -> None:
        """Make the home where it is missing, and start the farm beside the test."""
        if not (self.home / "farm.yml").exists():
            self.ok("init")
        wanted = {"watch": self.watch, "flower": self.flower, "page": self.page}
        self.ok("up", "--detach", *(f"--no-{part}" for part in wanted if not wanted[part]))

    def submit(self, *arguments: object, timeout_s: float = 180) -> Any:
        """Submit and wait; the JSON answer, whatever the exit status."""
        ran = self.run(
            "submit", *arguments, "--wait", "--timeout", timeout_s, "--json",
            timeout_s=timeout_s + 30,
        )  # fmt: skip
        assert ran.code in (0, 1), f"exit {ran.code}\n{ran.err}"
        return ran.json

    def lines(self, job_id: str) -> list[dict[str, Any]]:
        """The lines of a finished job."""
        content = (self.home / "jobs" / job_id / "results.jsonl").read_bytes()
        return [json.loads(line) for line in content.splitlines()]

    def close(self) -> None:
        """Stop the farm and make sure that nothing of it is left."""
        self.run("down")
        for process in self.processes():
            process.kill()

    # -- its processes -----------------------------------------------------------------------

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this farm, by its environment."""
        mine = f"{self.state}"
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("FARM_STATE_DIR") == mine:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return [process for process in found if process.pid != os.getpid()]

    def nodes(self) -> Any:
        return self.ok("nodes", "--json").json

    def slot_pids(self) -> list[int]:
        """The pool parents, one a slot."""
        return [slot["pid"] for node in self.nodes() for slot in node["slots"]]

    def agent_pid(self) -> int:
        return int(self.nodes()[0]["pid"])

    def broker_pid(self) -> int:
        return int((self.state / "broker" / "valkey.pid").read_text())


def wait_until(true: Callable[[], bool], timeout_s: float = 20, what: str = "") -> float:
    """Seconds until `true()`; fails the test when they are up."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < timeout_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - begun


def kill9(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
