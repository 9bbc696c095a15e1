"""Environment, node.yml and farm.yml to one frozen Settings; the first that names a key wins."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from nasfarm.core.items import HOME_ROOT
from nasfarm.core.rules import RecipeRules
from nasfarm.core.settings import KEYS, VARIABLES, checked, from_text, has_password
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.nodes.cores import Wanted
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm.storage.locked import locked
from nasfarm.storage.yaml_file import parse_mapping, read_mapping

FOLDERS = ("FARM_HOME", "FARM_STATE_DIR")
"""Variables that say where the files lie, so no file can hold them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What this machine's part of the farm goes by. Times in seconds.

    home: FARM_HOME, on shared storage. state_dir: FARM_STATE_DIR, on a local disk.
    node: this machine's name in the farm. broker_url: None means the embedded broker; holds the
        password of broker_password_file.
    web_listen, flower_listen: host:port of the status page and of Flower on this machine.
    flower_password_file: `name:password` that Flower asks for; needed beyond this machine.
    slots: worker processes on this machine; None means as many as its cores allow.
    cores_per_slot: None means one, or what `farm tune` has found to be faster.
    spare_cores: so many cores are left to the machine's own work.
    lease_s: how long a claimed chunk stays claimed without a sign of life.
    hints_per_root: how many hints of one job and root may wait in the queue at once.
    grace_s: so long after a request to stop everything has ended; see nodes/grace.py.
    image_limit_mp: larger pictures (in megapixels) are refused before they are decoded.
    image_timeout_s: work on one image that takes longer is ended with its process.
    slot_memory_mb: most memory of one worker process; None means three quarters of the machine's,
        shared by its slots.
    added_roots: as in node.yml, without the implied `home`; see `roots`.
    watch_mode: one of settings.MODES. watch_settle_s: a dropped file must hold still for so long.
    watch_poll_s: pause between looks where the kernel tells nothing.
    watch_most_waiting: while more dropped pictures wait for their turn, no more are taken.
    watch_free_mb: with less room than that on the home's disk, none are taken.
    keep_jobs_days, keep_logs_days: None means for ever. recipe_rules: see core/rules.py.
    """

    home: Path
    state_dir: Path
    node: str
    broker_url: str | None = field(default=None, repr=False)
    broker_password_file: Path | None = None
    web_listen: str = "127.0.0.1:8790"
    flower_listen: str = "127.0.0.1:5555"
    flower_password_file: Path | None = None
    slots: int | None = None
    cores_per_slot: int | None = None
    spare_cores: int = 0
    lease_s: float = 30
    hints_per_root: int = 32
    reconcile_s: float = 5
    grace_s: float = 10
    image_limit_mp: float = 200
    image_timeout_s: float = 60
    slot_memory_mb: int | None = None
    log_level: str = "info"
    added_roots: Mapping[str, Path] = field(default_factory=dict)
    watch_mode: str = "auto"
    watch_settle_s: float = 3
    watch_poll_s: float = 2
    watch_most_waiting: int = 20_000
    watch_free_mb: int = 200
    keep_jobs_days: float | None = None
    keep_logs_days: float | None = 30
    recipe_rules: Mapping[str, RecipeRules] = field(default_factory=dict)

    @property
    def roots(self) -> Mapping[str, Path]:
        """Every root's name and folder, `home` first."""
        return {HOME_ROOT: self.home, **self.added_roots}

    @property
    def cores_wanted(self) -> Wanted:
        """Which cores this machine lends, as far as its owner says."""
        return Wanted(self.slots, self.cores_per_slot or 1, self.spare_cores)

    @property
    def inbox_folder(self) -> Path:
        return self.home / "inbox"

    @property
    def jobs_folder(self) -> Path:
        return self.home / "jobs"

    @property
    def models_folder(self) -> Path:
        return self.home / "models"

    @property
    def recipes_folder(self) -> Path:
        return self.home / "recipes"

    @property
    def farm_file(self) -> Path:
        return self.home / "farm.yml"

    @property
    def node_file(self) -> Path:
        return self.state_dir / "node.yml"

    @property
    def local_models(self) -> Path:
        """Verified copies; the only models that are ever opened here."""
        return self.state_dir / "models"

    @property
    def logs_folder(self) -> Path:
        return self.state_dir / "logs"

    @property
    def broker_folder(self) -> Path:
        return self.state_dir / "broker"


def load(home: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings. `home` is the one the user named; else FARM_HOME, else ~/nasfarm.

    An empty value counts as not said. Raises RejectError that names the file or variable, what
    was found and what was wanted.
    """
    bare = unread(home, environ)
    values = {
        **_from_file(bare.farm_file, bare.node_file, shared=True),
        **_from_file(bare.node_file, bare.node_file, shared=False),
        **_from_environment({name: text for name, text in environ.items() if text}),
    }
    settings = replace(bare, **values)
    if settings.broker_url and settings.broker_password_file:
        url = _with_password(settings.broker_url, settings.broker_password_file)
        settings = replace(settings, broker_url=url)
    return settings


def unread(home: Path | None, environ: Mapping[str, str]) -> Settings:
    """The folders as `load` has them, and nothing of what is written in them; never raises."""
    user = Path(environ.get("HOME") or "~").expanduser()
    where = _folder(home or environ.get("FARM_HOME") or user / "nasfarm", user)
    state = _folder(environ.get("FARM_STATE_DIR") or _state_default(user, environ), user)
    host = re.sub(r"[^A-Za-z0-9._-]", "-", os.uname().nodename).strip("-.")[:63]
    return Settings(home=where, state_dir=state, node=host or "node")


def add_root_path(state_dir: Path, name: str, path: Path) -> None:
    """Write a root into node.yml; its other lines stay. Raises RejectError, StorageError."""
    edit_node(state_dir, "roots", lambda roots: {**(roots or {}), name: str(path)})


def edit_node(state_dir: Path, key: str, change: Callable[[Any], object]) -> None:
    """Replace one key of node.yml by `change` of its value (None where it is not there).

    Everything else in the file stays, comments too; the file is 0600 and never half-written.
    Raises RejectError for a file that is not YAML, StorageError.
    """
    import yaml

    path = state_dir / "node.yml"
    with locked(state_dir):
        with storage_errors(path):
            old = path.read_bytes() if path.exists() else b""
        wanted = parse_mapping(old, str(path))
        wanted[key] = change(wanted.get(key))
        block = yaml.safe_dump({key: wanted[key]}, allow_unicode=True, width=10_000)
        new = _with_block(old.decode("utf-8", "replace"), key, block).encode()
        if not _says(new, wanted):  # a style we do not edit in place, such as {roots: {…}}
            new = yaml.safe_dump(wanted, allow_unicode=True, sort_keys=False).encode()
        write_file(path, new, mode=0o600)


def _with_block(text: str, key: str, block: str) -> str:
    lines = text.splitlines(keepends=True)
    starts = [n for n, line in enumerate(lines) if line.startswith(f"{key}:")]
    if not starts:
        return text + ("" if not text or text.endswith("\n") else "\n") + block
    end = starts[0] + 1
    while end < len(lines) and lines[end][0] in " -":
        end += 1
    return "".join(lines[: starts[0]]) + block + "".join(lines[end:])


def _says(content: bytes, wanted: Mapping[str, Any]) -> bool:
    try:
        return parse_mapping(content, "") == wanted
    except RejectError:
        return False


def _folder(path: Path | str, user: Path) -> Path:
    # Workers run in another folder than the user's, so a relative path is made absolute here.
    text = os.fspath(path)
    if text == "~" or text.startswith("~/"):
        text = os.fspath(user) + text[1:]
    return Path(os.path.abspath(text))


def _state_default(user: Path, environ: Mapping[str, str]) -> Path:
    # The XDG base directory specification: a relative path there is to be ignored.
    said = environ.get("XDG_STATE_HOME", "")
    return (Path(said) if said.startswith("/") else user / ".local" / "state") / "nasfarm"


def _from_environment(said: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name, text in said.items():
        if name in FOLDERS or not name.startswith("FARM_"):
            continue
        key = VARIABLES.get(name)
        if key is None:
            known = [*VARIABLES, *FOLDERS]
            raise UnknownNameError.of("environment variable", name, known, "Unset or rename it.")
        values[key.field] = checked(key, from_text(key, text), f"environment variable {name}")
    return values


def _from_file(path: Path, node_file: Path, *, shared: bool) -> dict[str, Any]:
    values = {}
    for name, value in read_mapping(path).items():
        key = KEYS.get(name)
        if key is None:
            raise UnknownNameError.of("setting", name, KEYS, f"It stands in {path}.")
        if value is None:
            continue
        if shared and not key.shared:
            raise RejectError(
                f"{path}: '{name}' is each machine's own; move it into {node_file}.", code="setting"
            )
        values[key.field] = checked(key, value, f"{path}: {name}")
        if key.kind == "broker" and has_password(values[key.field]):
            _guard_password(path, node_file, shared=shared)
    return values


def _with_password(url: str, path: Path) -> str:
    """The broker's address with the password that the file holds."""
    if has_password(url):
        raise RejectError(
            f"broker.url holds a password, and so does broker.password_file ({path}). "
            "Leave one out.",
            code="setting",
        )
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(read_secret(path), safe='')}@{host}").geturl()


def read_secret(path: Path) -> str:
    """What a password file holds, without line breaks around it. Raises RejectError."""
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise RejectError(f"{path}: the password in it cannot be read: {reason}.") from error
    if not secret:
        raise RejectError(f"{path}: is empty, wanted a password.", code="setting")
    return secret


def _guard_password(path: Path, node_file: Path, *, shared: bool) -> None:
    if shared:
        raise RejectError(
            f"{path}: broker.url holds a password, and every machine reads this file. Move the "
            f"line into {node_file} and run: chmod 600 {node_file}",
            code="setting",
        )
    with storage_errors(path):
        mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise RejectError(
            f"{path}: it holds a password and others can read it (mode {mode:o}, wanted 600). "
            f"Run: chmod 600 {path}",
            code="setting",
        )
