"""A notice to an HTTP POST, signed as the Standard Webhooks specification 1.0.0 says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from nasfarm.errors import RejectError, RetryError
from nasfarm.notices.passwords import password
from nasfarm.notices.payload import for_webhook
from nasfarm.notices.receivers import TIMEOUT_S, Notice

log = logging.getLogger(__name__)

LATER = (408, 429)
"""Of the answers 4xx, those that ask to come again. The others say that it is of no use."""


class Webhook:
    """One address. secret: file with the signing secret; without it nothing is signed."""

    def __init__(self, url: str, secret: Path, now_s: Callable[[], float] = time.time) -> None:
        self._url = url
        self._secret = secret
        self._now_s = now_s
        self._client: httpx.Client | None = None
        self._said_unsigned = False
        self._lock = threading.Lock()  # two recipes may tell the same address

    def ready(self) -> None:
        with self._lock:
            if self._client is None:
                # It logs every address in full, and an address may be a secret by itself.
                logging.getLogger("httpx").setLevel(logging.WARNING)
                self._client = httpx.Client(timeout=TIMEOUT_S)

    def tell(self, notice: Notice) -> None:
        self.ready()
        assert self._client is not None
        body = for_webhook(notice)
        headers = {"content-type": "application/json", **self._signed(notice.event.id, body)}
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
        except httpx.InvalidURL as error:
            raise RejectError(f"webhook {shown(self._url)}: {error}") from error
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            check = "Is it running, and is its address in farm.yml right?"
            raise RetryError(f"webhook {shown(self._url)}: {said}. {check}") from error
        self._judge(answer)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _judge(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        message = f"webhook {shown(self._url)}: got {answer.status_code} {answer.reason_phrase}"
        if answer.status_code in LATER or answer.is_server_error:
            raise RetryError(message)
        raise RejectError(f"{message}, wanted 2xx. Correct the rule in farm.yml or the receiver.")

    def _signed(self, event_id: str, body: bytes) -> dict[str, str]:
        moment = str(int(self._now_s()))
        headers = {"webhook-id": event_id, "webhook-timestamp": moment}
        text = password(self._secret)
        if text is not None:
            message = f"{event_id}.{moment}.".encode() + body
            digest = hmac.new(key_of(text, self._secret), message, hashlib.sha256).digest()
            headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        elif not self._said_unsigned:
            self._said_unsigned = True
            reason = f"{self._secret} is not there. {making(self._secret)}"
            fields = {"action": "webhook_unsigned", "receiver": shown(self._url), "reason": reason}
            log.warning("webhooks are not signed", extra=fields)
        return headers


def key_of(secret: str, place: Path) -> bytes:
    """The bytes a secret stands for: base64, with or without `whsec_`. Raises RetryError."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise RetryError(
            f"{place}: got something else, wanted base64 behind 'whsec_'. {making(place)}"
        )
    return key


def making(place: Path) -> str:
    """How a secret is made, for messages."""
    secret = 'echo "whsec_$(head -c 32 /dev/urandom | base64)"'
    return f"To make one, run: mkdir -p -m 700 {place.parent}; (umask 077; {secret} > {place})"


def shown(url: str) -> str:
    """The address for messages: only its host, as the rest may be a secret."""
    return urlsplit(url).netloc.rpartition("@")[2]
