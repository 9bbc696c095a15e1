"""Where a server listens, and who asks by a request's headers. Pure."""

from __future__ import annotations

import base64
import ipaddress
from urllib.parse import urlsplit


def split_listen(listen: str) -> tuple[str, int]:
    """`127.0.0.1:8790` or `[::1]:8790` as host and port; the setting's check has seen it."""
    parts = urlsplit(f"//{listen}")
    return parts.hostname or "", parts.port or 0


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own and nobody else's."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The name in a Host header, without its port; empty where it is none."""
    try:
        parts = urlsplit(f"//{header}")
        whole = parts.netloc == header and "@" not in header and parts.port != 0
        return parts.hostname or "" if whole else ""
    except ValueError:
        return ""


def basic(header: str) -> tuple[str, str] | None:
    """Name and password of an Authorization header; None where it holds none."""
    kind, _, coded = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except ValueError:  # not base64, or not text
        return None
    return (name, password) if colon else None
