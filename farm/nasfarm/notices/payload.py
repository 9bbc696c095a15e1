"""A notice to the JSON that receivers get: nothing empty, pictures as link or base64."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from nasfarm.core import wire
from nasfarm.notices.receivers import Notice


def for_webhook(notice: Notice) -> bytes:
    """Everything in one document."""
    return wire.encode(_document(notice, attach=True))


def for_mqtt(notice: Notice) -> bytes:
    """Without the picture's bytes, which have a topic of their own: Home Assistant keeps this
    document as attributes, and 16 kB is the most it records of them.
    """
    return wire.encode({"state": "ON"} | _document(notice, attach=False))


def _document(notice: Notice, *, attach: bool) -> dict[str, Any]:
    event = notice.event
    document = {
        name: value
        for name, value in wire.plain(event).items()
        if name in ("labels", "count") or (value != "" and value is not None)
    }
    picture: dict[str, Any] = {"url": notice.url} if notice.url else {}
    if attach and notice.picture is not None:
        picture |= {
            "name": notice.picture.name,
            "type": notice.picture.type,
            "base64": b64encode(notice.picture.content).decode(),
        }
    return document | ({"picture": picture} if picture else {})
