"""The settings a user may write, and what each value must be. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nasfarm.core.items import HOME_ROOT, ROOT_NAME
from nasfarm.core.rules import recipe_rules
from nasfarm.errors import RejectError

NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
LEVELS = ("debug", "info", "warning", "error")
MODES = ("auto", "events", "poll", "leave")
"""How `farm watch` hears of new files: of the kernel's events, by looking, or by what the folder
lies on. leave: files stay where they are."""


@dataclass(frozen=True, slots=True)
class Key:
    """A setting a user may write. kind: number | integer | level | mode | name | broker | address |
    file | roots | recipes.

    shared: it may stand in farm.yml, which all machines read.
    """

    name: str
    kind: str
    least: float = 0
    most: float = 0
    shared: bool = True

    @property
    def field(self) -> str:
        named = {"roots": "added_roots", "recipes": "recipe_rules"}
        return named.get(self.kind, self.name.replace(".", "_"))

    @property
    def variable(self) -> str:
        return "FARM_" + self.name.replace(".", "_").upper()


KEYS = {
    key.name: key
    for key in (
        Key("broker.url", "broker"),
        # Where a file lies, and what a machine listens on, is that machine's own.
        Key("broker.password_file", "file", shared=False),
        Key("web.listen", "address", shared=False),
        Key("flower.listen", "address", shared=False),
        Key("flower.password_file", "file", shared=False),
        Key("lease_s", "number", 1, 3600),
        Key("slots", "integer", 1, 1024),
        Key("cores_per_slot", "integer", 1, 256),
        Key("spare_cores", "integer", 0, 1024),
        # Two machines of one name would return each other's leases.
        Key("node", "name", shared=False),
        Key("hints_per_root", "integer", 1, 10_000),
        Key("reconcile_s", "number", 0.1, 3600),
        Key("grace_s", "number", 0, 3600),
        Key("image_limit_mp", "number", 1, 10_000),
        Key("image_timeout_s", "number", 1, 3600),
        Key("slot_memory_mb", "integer", 300, 1_000_000),
        Key("log.level", "level"),
        Key("roots", "roots", shared=False),
        Key("watch.mode", "mode"),
        Key("watch.settle_s", "number", 0.1, 3600),
        Key("watch.poll_s", "number", 0.1, 3600),
        Key("watch.most_waiting", "integer", 1, 10_000_000),
        Key("watch.free_mb", "integer", 0, 100_000_000),
        Key("keep.jobs_days", "number", 0.01, 36_500),
        Key("keep.logs_days", "number", 0.01, 36_500),
        Key("recipes", "recipes"),
    )
}
VARIABLES = {key.variable: key for key in KEYS.values() if key.kind not in ("roots", "recipes")}


def from_text(key: Key, text: str) -> object:
    """A variable's text as the kind of value the key wants, where it reads as one."""
    if key.kind not in ("number", "integer"):
        return text
    try:
        return int(text) if key.kind == "integer" else float(text)
    except ValueError:
        return text


def has_password(url: str) -> bool:
    """Whether a broker's address holds a password."""
    parts = urlsplit(url)
    return bool(parts.password) or "password" in parse_qs(parts.query)


def checked(key: Key, value: object, place: str) -> Any:
    """The value as Settings holds it. Raises RejectError that begins with `place`."""
    if key.kind == "recipes":
        return recipe_rules(value, place)
    good, wanted = _CHECKS[key.kind](key, value)
    if good is None:
        # An address may hold a password, so it is never shown.
        got = "something else" if key.kind == "broker" else repr(value)[:60]
        raise RejectError(f"{place}: got {got}, wanted {wanted}.", code="setting")
    return good


def _number(key: Key, value: object) -> tuple[float | None, str]:
    wanted = f"a number from {key.least:g} to {key.most:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None, wanted
    return (float(value) if key.least <= value <= key.most else None), wanted


def _integer(key: Key, value: object) -> tuple[int | None, str]:
    wanted = f"a whole number from {key.least:g} to {key.most:g}"
    if isinstance(value, bool) or not isinstance(value, int):
        return None, wanted
    return (value if key.least <= value <= key.most else None), wanted


def _level(key: Key, value: object) -> tuple[str | None, str]:
    return (value if isinstance(value, str) and value in LEVELS else None), (
        f"one of {', '.join(LEVELS)}"
    )


def _mode(key: Key, value: object) -> tuple[str | None, str]:
    return (value if isinstance(value, str) and value in MODES else None), (
        f"one of {', '.join(MODES)}"
    )


def _name(key: Key, value: object) -> tuple[str | None, str]:
    fits = isinstance(value, str) and NODE_NAME.fullmatch(value)
    return (str(value) if fits else None), "1 to 63 letters, digits, dots, dashes or underscores"


def _broker(key: Key, value: object) -> tuple[str | None, str]:
    wanted = "an address such as redis://broker-machine:6379/0 (rediss:// for TLS)"
    try:
        parts = urlsplit(str(value))
        fits = parts.scheme in ("redis", "rediss") and parts.hostname and (parts.port or 1)
    except ValueError:
        return None, wanted
    return (str(value) if fits else None), wanted


def _address(key: Key, value: object) -> tuple[str | None, str]:
    wanted = "an address to listen on such as 127.0.0.1:8790 ([::1]:8790, 0.0.0.0:8790)"
    try:
        parts = urlsplit(f"//{value}")
        fits = parts.hostname and parts.port and parts.netloc == value and not parts.username
    except ValueError:
        return None, wanted
    return (str(value) if fits else None), wanted


def _file(key: Key, value: object) -> tuple[Path | None, str]:
    fits = isinstance(value, str) and value.startswith("/")
    return (Path(str(value)) if fits else None), "the whole path of a file, beginning with /"


def _roots(key: Key, value: object) -> tuple[Mapping[str, Path] | None, str]:
    wanted = (
        "lines of the form 'name: /folder', names of small letters, digits, - and _ "
        f"('{HOME_ROOT}' is taken)"
    )
    if not isinstance(value, Mapping):
        return None, wanted
    for name, path in value.items():
        named = isinstance(name, str) and ROOT_NAME.fullmatch(name) and name != HOME_ROOT
        if not named or not isinstance(path, str) or not path.startswith("/"):
            return None, wanted
    return {name: Path(path) for name, path in value.items()}, wanted


_CHECKS: Mapping[str, Callable[[Key, object], tuple[Any | None, str]]] = {
    "number": _number,
    "integer": _integer,
    "level": _level,
    "mode": _mode,
    "name": _name,
    "broker": _broker,
    "address": _address,
    "file": _file,
    "roots": _roots,
}
