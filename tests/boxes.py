"""Boxes made of real containers: the project's image, its compose file, podman."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from farmyard import Ran
from nasfarm_models.cache import user_cache_folder
from needs import needs, needs_root, needs_tool

TOP = Path(__file__).parents[1]
IMAGE = "localhost/nasfarm:tested"
HEALTHY_S = 90.0
OWNER = 1234
"""User and group of the services: nobody that the image or this machine knows."""


def run(*command: object, timeout_s: float = 120, env: Mapping[str, str] | None = None) -> Ran:
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=timeout_s, check=False,
        env=None if env is None else {**os.environ, **env},
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def podman(*words: object, timeout_s: float = 120) -> str:
    """Run podman, which must succeed; what it prints."""
    ran = run("podman", *words, timeout_s=timeout_s)
    assert ran.code == 0, f"podman {words}: {ran.err}"
    return ran.out.strip()


def build_image() -> None:
    """The image of this tree; a minute the first time, seconds where only the farm has changed."""
    needs_root("run containers without a user's own set-up")
    needs_tool("podman")
    needs_tool("runc")
    ran = run(TOP / "ops" / "containers" / "image.sh", IMAGE, timeout_s=900)
    needs(ran.code == 0, f"the image cannot be built: {ran.err[-2000:]}")


@dataclass(slots=True)
class Box:
    """A box that runs services of docker-compose.yml.

    folder: what lies on its disk beside the volumes: passwords, pictures, fetched models.
    settings: of its .env. changes: what its docker-compose.override.yml says.
    """

    folder: Path
    profile: str
    settings: Mapping[str, str]
    changes: Mapping[str, Any] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"nasfarm-test-{uuid.uuid4().hex[:6]}")

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def compose(self, *words: object, timeout_s: float = 180) -> str:
        """Run podman-compose as this box's user would; what it prints."""
        override = self.folder / "override.yml"
        override.write_text(yaml.safe_dump(dict(self.changes)))
        env = {
            "NASFARM_IMAGE": IMAGE, "PUID": str(OWNER), "PGID": str(OWNER), **self.settings,
            "NASFARM_PHOTOS": str(self.photos), "NASFARM_SECRETS": str(self.secrets),
            # podman has systemd look at a container's health; where it is not there, the tests do.
            "DISABLE_HC_SYSTEMD": str(not Path("/run/systemd/system").exists()).lower(),
        }  # fmt: skip
        files = ("-f", TOP / "docker-compose.yml", "-f", override)
        ran = run(
            sys.executable, "-m", "podman_compose", "-p", self.name, *files,
            "--profile", self.profile, *words, timeout_s=timeout_s, env=env,
        )  # fmt: skip
        assert ran.code == 0, f"podman-compose {words}: exit {ran.code}\n{ran.err}\n{ran.out}"
        return ran.out

    def up(self, *services: str) -> None:
        self.compose("up", "-d", "--no-build", *services)

    def container(self, service: str) -> str:
        return f"{self.name}_{service}_1"

    def inside(self, service: str, *words: object) -> Ran:
        """Run a command in a service's container."""
        return run("podman", "exec", self.container(service), *words)

    def farm(self, *words: object, service: str = "agent") -> Any:
        """Run `farm … --json` there, which must succeed; its answer."""
        ran = self.inside(service, "farm", *words, "--json")
        assert ran.code in (0, 1), f"farm {words}: exit {ran.code}\n{ran.err}\n{ran.out}"
        return ran.json

    def inspect(self, service: str, what: str) -> str:
        return podman("inspect", "--format", f"{{{{{what}}}}}", self.container(service))

    def volume(self, name: str) -> Path:
        """Where a volume lies on this machine."""
        return Path(
            podman("volume", "inspect", "--format", "{{.Mountpoint}}", f"{self.name}_{name}")
        )

    def healthy(self, service: str) -> bool:
        return run("podman", "healthcheck", "run", self.container(service)).code == 0

    def await_healthy(self, services: Iterable[str]) -> None:
        deadline = time.monotonic() + HEALTHY_S
        for service in services:
            while not self.healthy(service):
                late = time.monotonic() > deadline
                assert not late, f"{service} is not healthy: {self.said(service)}"
                time.sleep(0.2)

    def said(self, service: str) -> str:
        """What its container has to say, and init's."""
        logs = [run("podman", "logs", self.container(one)) for one in ("init", service)]
        asked = self.inside(service, "farm", "doctor")
        return "\n".join(ran.out + ran.err for ran in (*logs, asked))

    def left(self) -> list[str]:
        """Containers, volumes and networks of this box that are there."""
        found = [
            podman("ps", "-aq", "--filter", f"label=io.podman.compose.project={self.name}"),
            podman("volume", "ls", "-q", "--filter", f"name={self.name}"),
            podman("network", "ls", "-q", "--filter", f"name={self.name}"),
        ]
        return [name for names in found for name in names.split()]

    def down(self) -> None:
        self.compose("down", "-v")


@contextmanager
def running(box: Box) -> Iterator[Box]:
    """A box that is up, with passwords; nothing of it is left when the block ends."""
    box.photos.mkdir(parents=True, exist_ok=True)
    made = run("sh", TOP / "ops" / "docker" / "secrets.sh", box.secrets,
               env={"PUID": str(OWNER), "PGID": str(OWNER)})  # fmt: skip
    assert made.code == 0, made.err
    try:
        box.up()
        yield box
    finally:
        box.down()


def fetched_models(folder: Path) -> Path:
    """A copy of this machine's fetched models that the services' user may use."""
    shutil.copytree(user_cache_folder() / "models", folder / "nasfarm" / "models")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, OWNER, OWNER)
    return folder


def lines_of(job: Path) -> list[dict[str, Any]]:
    """Every line that is published, whether or not the same item has another."""
    chunks = sorted((job / "chunks").glob("*.jsonl"))
    return [json.loads(line) for path in chunks for line in path.read_bytes().splitlines()]
