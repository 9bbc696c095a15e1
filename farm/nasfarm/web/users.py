"""Names and passwords ↔ `secrets/users.json` in the state folder, which holds no password."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nasfarm.core import wire
from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm.storage.locked import locked

Role = Literal["read", "operate"]
"""read: sees everything. operate: may also pause nodes and try pictures again."""
ROLES: tuple[Role, ...] = ("read", "operate")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
LEAST_LETTERS = 8
COST = 2**14
"""scrypt's n, with r = 8 and p = 1: 16 MB and some 0.1 s on a small box."""


@dataclass(frozen=True, slots=True)
class User:
    """Who may log in. hash: scrypt of the password and `salt`, both as hexadecimal digits."""

    role: Role
    salt: str
    hash: str
    cost: int = COST

    @property
    def mark(self) -> str:
        """Changes with the password and the role: a login from before is over then."""
        return hashlib.sha256(f"{self.role} {self.hash}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _File:
    format: int = 1
    users: Mapping[str, User] = field(default_factory=dict)


NOBODY = User("read", "00" * 16, "00" * 32)
"""Whom an unknown name is checked against: it takes as long as a known one."""


class Users:
    """The users of one node's server, as they are now. Raises StorageError, RejectError."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / "secrets"
        self.path = self.folder / "users.json"

    def all(self) -> Mapping[str, User]:
        """Every user by name."""
        with storage_errors(self.path):
            try:
                content = self.path.read_bytes()
            except FileNotFoundError:
                return {}
        return wire.decode(_File, content, str(self.path)).users

    def put(self, name: str, password: str, role: Role) -> bool:
        """Add a user, or give one another password and role; False where the name was there."""
        if not NAME.fullmatch(name):
            raise RejectError(
                f"user {name!r:.80}: wanted 1 to 63 letters, digits, dots, dashes, _ or @."
            )
        if len(password) < LEAST_LETTERS:
            raise RejectError(
                f"user {name}: the password has {len(password)} letters, wanted {LEAST_LETTERS} or "
                "more."
            )
        salt = os.urandom(16)
        user = User(role, salt.hex(), scrypt(password, salt, COST).hex())
        with locked(self.folder):
            users = self.all()
            self._write({**users, name: user})
        return name not in users

    def remove(self, name: str) -> None:
        """Take a user's right to log in; every login of theirs is over. Raises UnknownNameError."""
        with locked(self.folder):
            users = self.all()
            if name not in users:
                raise UnknownNameError.of("user", name, users, "See: farm users list")
            self._write({other: user for other, user in users.items() if other != name})

    def check(self, name: str, password: str) -> User | None:
        """The user, where name and password are right; takes the same time where they are not."""
        user = self.all().get(name)
        asked = user or NOBODY
        got = scrypt(password, bytes.fromhex(asked.salt), asked.cost)
        right = hmac.compare_digest(got, bytes.fromhex(asked.hash))
        return user if right else None

    def _write(self, users: Mapping[str, User]) -> None:
        content = wire.encode_pretty(_File(users=users))
        write_file(self.path, content, mode=0o600)


def scrypt(password: str, salt: bytes, cost: int) -> bytes:
    """The key that is kept instead of a password."""
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=cost, r=8, p=1, maxmem=256 << 20, dklen=32)


def signing_key(state_dir: Path) -> bytes:
    """What login cookies are signed with; made where it is missing. Raises StorageError."""
    folder = state_dir / "secrets"
    path = folder / "web.key"
    with locked(folder), storage_errors(path):
        if not path.exists() or len(path.read_bytes()) < 32:
            write_file(path, os.urandom(32).hex().encode(), mode=0o600)
        return path.read_bytes()
