"""What brings the farm onto a box: the image, the compose file, its variables, the systemd unit."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from nasfarm.broker.valkey_conf import Access
from nasfarm.cli.root import main
from nasfarm.core.settings import VARIABLES
from nasfarm.nodes.grace import of_agent
from nasfarm.nodes.memory import allowed
from needs import needs_tool

TOP = Path(__file__).parents[2]
COMPOSE = TOP / "docker-compose.yml"
DOCKERFILE = (TOP / "ops" / "docker" / "Dockerfile").read_text()
EXAMPLE = (TOP / "ops" / "docker" / "env.example").read_text()
UNIT = TOP / "ops" / "systemd" / "nasfarm.service"
SERVICES = yaml.safe_load(COMPOSE.read_text())["services"]
FOLDERS = {"FARM_HOME", "FARM_STATE_DIR"}
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


# -- docker-compose.yml ------------------------------------------------------------------------


def test_every_variable_of_the_compose_file_is_explained_with_its_default() -> None:
    used = dict(VARIABLE.findall(COMPOSE.read_text()))
    explained = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert explained.pop("COMPOSE_PROFILES") == "all"
    assert explained == used


def test_a_variable_has_the_same_default_wherever_it_stands() -> None:
    found: dict[str, set[str]] = {}
    for name, default in VARIABLE.findall(COMPOSE.read_text()):
        found.setdefault(name, set()).add(default)
    assert {name: defaults for name, defaults in found.items() if len(defaults) != 1} == {}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_nobodys_rights_and_bounds(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "${PUID:-1000}:${PGID:-1000}"
    assert service["mem_limit"]
    assert service["logging"]["options"]["max-size"]
    assert not service.get("privileged")
    assert [port for port in service.get("ports", []) if ":-127.0.0.1:" not in port] == []
    photos = [volume for volume in service["volumes"] if "/photos" in volume]
    assert all(volume.endswith(":ro") for volume in photos)


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "init"])
def test_a_service_is_kept_running_and_looked_at(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    health = service["healthcheck"]["test"]
    assert health[:3] == ["CMD", "farm", "doctor"]
    assert health[-1] == service["command"][0]
    assert int(service["stop_grace_period"].rstrip("s")) > of_agent(10) + 5


def test_services_run_commands_of_the_farm_with_settings_it_has() -> None:
    commands = main.list_commands(click.Context(main))
    for service in SERVICES.values():
        assert service["command"][0] in commands
        said = {name for name in service["environment"] if name.startswith("FARM_")}
        assert said <= set(VARIABLES) | FOLDERS


@pytest.mark.parametrize(
    ("profile", "started"),
    [
        ("all", {"init", "broker", "agent", "watcher", "flower", "status"}),
        ("worker", {"init", "agent", "status"}),
        ("monitor", {"init", "flower", "status"}),
    ],
)
def test_a_profile_starts_services_that_depend_on_none_of_another(
    profile: str, started: set[str]
) -> None:
    here = {name: each for name, each in SERVICES.items() if profile in each["profiles"]}
    assert set(here) == started
    for service in here.values():
        assert set(service.get("depends_on", {})) <= started


@pytest.mark.parametrize("profile", ["all", "worker", "monitor"])
def test_podman_compose_reads_it_without_an_env_file(tmp_path: Path, profile: str) -> None:
    needs_tool("podman")
    shutil.copy(COMPOSE, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "podman_compose", "--profile", profile, "config"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = yaml.safe_load(done.stdout)
    assert "${" not in done.stdout
    for service in read["services"].values():
        assert service["image"] == "nasfarm:latest"


# -- passwords ---------------------------------------------------------------------------------


def make_secrets(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["sh", TOP / "ops" / "docker" / "secrets.sh", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=30, check=False,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_passwords_are_made_once_for_the_services_user_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PUID=1234\nPGID=1235\n")
    made = make_secrets(tmp_path)
    files = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    assert set(files) == set(yaml.safe_load(COMPOSE.read_text())["secrets"])
    texts = {name: path.read_text() for name, path in files.items()}
    assert len(set(texts.values())) == 3
    for name, path in files.items():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(texts[name].strip()) >= 32
        assert texts[name].strip() not in made
        if os.geteuid() == 0:
            assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)
    assert texts["flower_login"].startswith("admin:")
    make_secrets(tmp_path)
    assert {name: path.read_text() for name, path in files.items()} == texts


@pytest.mark.parametrize(
    ("known", "made"),
    [
        pytest.param("", True, id="nobody yet"),
        pytest.param("name   role\nadmin  operate", False, id="the one it made"),
        pytest.param("name  role\nanna  operate", False, id="it was removed for another"),
    ],
)
def test_a_user_that_was_removed_stays_away(tmp_path: Path, known: str, made: bool) -> None:
    (tmp_path / ".ready").touch()
    (tmp_path / "known").write_text(known)
    farm = tmp_path / "farm"
    farm.write_text('#!/bin/sh\n[ "$2" = list ] && exec cat "$HOME/known"\necho "$@"\n')
    farm.chmod(0o755)
    done = subprocess.run(
        ["sh", TOP / "ops" / "docker" / "entrypoint.sh", "serve"],
        capture_output=True, text=True, timeout=30, check=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path),
             "ADMIN_PASSWORD_FILE": "/run/secrets/admin_password"},
    )  # fmt: skip
    asked = "users add admin --role operate --password-file /run/secrets/admin_password\n"
    assert done.stdout == (asked if made else "") + "serve\n"


# -- the image ---------------------------------------------------------------------------------


def test_the_image_is_built_from_the_lock_and_says_which_version_it_is() -> None:
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}\n" in DOCKERFILE
    assert "--require-hashes --only-binary :all: -r ops/lock/all.lock" in DOCKERFILE
    installs = re.findall(r"pip install[^&\n]*", DOCKERFILE)
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)
    assert re.search(r"amd64|arm64|x86_64|aarch64", DOCKERFILE.partition("FROM")[2]) is None


def test_the_image_gets_only_what_it_is_built_from() -> None:
    ignored = (TOP / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    for line in ignored:
        if line.startswith("!"):
            assert (TOP / line[1:]).exists(), line


# -- a container's memory, the broker's addresses -----------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "most"),
    [
        pytest.param("memory.max", "1073741824\n", 2**30, id="version 2"),
        pytest.param("memory.max", "max\n", float("inf"), id="version 2 without a limit"),
        pytest.param("memory/memory.limit_in_bytes", "1073741824\n", 2**30, id="version 1"),
        pytest.param("cpu.max", "max 100000\n", float("inf"), id="no memory controller"),
    ],
)
def test_workers_share_what_their_container_may_have(
    tmp_path: Path, name: str, text: str, most: float
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert allowed(tmp_path) == most


@pytest.mark.parametrize(
    ("host", "bound"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("192.168.1.10", "127.0.0.1 192.168.1.10"),
        ("::", "127.0.0.1 ::"),
    ],
)
def test_the_broker_always_listens_for_its_own_machine(host: str, bound: str) -> None:
    assert Access(6379, "a", "b", host).bound == bound


# -- systemd -----------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as on a box where the farm is installed."""
    path = tmp_path / UNIT.name
    path.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(),
                           flags=re.MULTILINE))  # fmt: skip
    return path


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    tool = needs_tool("systemd-analyze", "systemd")
    command = [tool, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_systemd_finds_no_fault_in_the_unit(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert done.returncode == 0, done.stderr
    assert unit.name not in done.stderr


def test_systemd_calls_the_unit_well_shut_in(unit: Path) -> None:
    done = analyze("security", "--offline=yes", "--threshold=20", "--no-pager", unit)
    assert done.returncode == 0, done.stdout[-300:]
    assert "Overall exposure level" in done.stdout


def test_systemd_waits_longer_than_the_farm_needs_to_end() -> None:
    [wait] = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert int(wait) > 10 + 15  # grace_s, and what `farm down` waits beyond it
