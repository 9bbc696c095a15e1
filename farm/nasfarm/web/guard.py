"""A request's headers to whether it may be answered, and what browsers must be told. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from nasfarm.core.listening import basic as basic
from nasfarm.core.listening import host_of as host_of
from nasfarm.core.listening import is_loopback as is_loopback
from nasfarm.core.listening import split_listen as split_listen

NONE = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
PAGE = (
    f"{NONE}; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'"
)
REPORT = (
    f"{NONE}; sandbox allow-same-origin allow-downloads; style-src 'unsafe-inline'; "
    "img-src 'self' data:"
)
"""A job's report is a file of the home: it may look as it likes, lead to the job's tables, and run
nothing at all."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": NONE,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer, unless a page says otherwise."""

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
"""Headers by which a proxy says that it asks for somebody else."""

OWN_REFERRER = "same-origin"
"""The pages' Referrer-Policy: other sites hear of nothing. With `no-referrer` browsers would hide,
behind `Origin: null`, also that a form is our own."""


def login_policy(style: str) -> str:
    """The policy of the login page, whose one style is in it: nothing else is open by then."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"{NONE}; style-src 'sha256-{digest}'; img-src data:; form-action 'self'"


def is_foreign(origin: str | None, host: str) -> bool:
    """Whether a form was sent by another site's page, or by another port's on this host."""
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:
        return True


def local_path(path: str) -> str:
    """Where to go after a login: a page of ours, or the first one."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain else "/"
