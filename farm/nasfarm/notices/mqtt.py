"""A notice to an MQTT message that the broker confirms (QoS 1), and a will for when we are gone."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from nasfarm.core.notices import NoticeRule, topic_prefix
from nasfarm.errors import RetryError
from nasfarm.notices.discovery import configs, status_topic, topic_of
from nasfarm.notices.passwords import password
from nasfarm.notices.payload import for_mqtt
from nasfarm.notices.receivers import TIMEOUT_S, Notice

KEEPALIVE_S = 30
"""The broker says `offline` for us after one and a half of these without a sign of life."""

GOODBYE_S = 1.0

CHECK = "Is it running, and is its address in farm.yml right?"


class Mqtt:
    """One MQTT broker, shared by all rules that name it.

    secret: file with the password. farm: any text that is this farm's own; whoever leads it has the
    same client id, so the broker ends the former leader's connection when the new one comes.
    shows: recipe and rule of what Home Assistant is told of.
    """

    def __init__(
        self, url: str, secret: Path, farm: str, shows: Sequence[tuple[str, NoticeRule]]
    ) -> None:
        self._url = urlsplit(url)
        self._prefix = topic_prefix(url)
        self._secret = secret
        self._farm = farm
        self._shows = shows
        self._client: Client | None = None
        self._lock = threading.RLock()  # two recipes may tell the same broker

    def ready(self) -> None:
        with self._lock:
            if self._client is not None and self._client.is_connected():
                return
            self._drop()
            self._connect()
            self._publish(status_topic(self._prefix), b"online", retain=True)
            for recipe, rule in self._shows:
                for topic, payload in configs(self._prefix, recipe, rule):
                    self._publish(topic, payload, retain=True)

    def tell(self, notice: Notice) -> None:
        with self._lock:
            self.ready()
            topic = topic_of(self._prefix, notice.event.recipe, notice.rule.name)
            if notice.picture is not None:
                self._publish(f"{topic}/picture", notice.picture.content, retain=True)
            self._publish(topic, for_mqtt(notice), retain=False)

    def close(self) -> None:
        with self._lock:
            if self._client is not None and self._client.is_connected():
                with suppress(RuntimeError, ValueError):  # it has just gone; its will says the same
                    topic = status_topic(self._prefix)
                    self._client.publish(topic, b"offline", 1, True).wait_for_publish(GOODBYE_S)
            self._drop()

    def _connect(self) -> None:
        answered = threading.Event()
        answers: list[ReasonCode] = []

        def on_connect(client: Client, _: Any, flags: Any, answer: ReasonCode, more: Any) -> None:
            answers.append(answer)
            answered.set()

        # It must not reconnect by itself: it would send again what we send again, too.
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, self._client_id(), reconnect_on_failure=False
        )
        client.on_connect = on_connect
        client.connect_timeout = TIMEOUT_S
        client.will_set(status_topic(self._prefix), b"offline", qos=1, retain=True)
        word = password(self._secret) if self._url.username else None
        if self._url.username:
            client.username_pw_set(unquote(self._url.username), word)
        secure = self._url.scheme == "mqtts"
        if secure:
            client.tls_set()
        try:
            client.connect(self._host, self._url.port or (8883 if secure else 1883), KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise self._trouble(f"{error}. {CHECK}") from error
        client.loop_start()
        if not answered.wait(TIMEOUT_S):
            raise self._trouble(f"no answer within {TIMEOUT_S:g} s. {CHECK}")
        if answers[0].is_failure:
            raise self._trouble(self._refusal(answers[0], word is not None))

    def _refusal(self, answer: ReasonCode, with_password: bool) -> str:
        """What it says, and what to do about it."""
        if answer not in ("Bad user name or password", "Not authorized"):
            return f"it refuses: {answer}"
        if not self._url.username:
            return (
                "it wants a user name and a password. Write USER@ before the host in farm.yml, and "
                f"the password into {self._secret} (chmod 600)"
            )
        if not with_password:
            return f"it wants a password. Write it into {self._secret} (chmod 600)"
        return f"it refuses user and password. Correct USER@ in farm.yml or {self._secret}"

    def _publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Return once the broker has confirmed it."""
        assert self._client is not None
        try:
            message = self._client.publish(topic, payload, qos=1, retain=retain)
            message.wait_for_publish(TIMEOUT_S)
            arrived = message.is_published()
        except (RuntimeError, ValueError) as error:
            raise self._trouble(str(error)) from error
        if not arrived:
            raise self._trouble(f"no confirmation within {TIMEOUT_S:g} s")

    def _trouble(self, reason: str) -> RetryError:
        self._drop()
        return RetryError(f"MQTT broker {self._host}: {reason}")

    def _drop(self) -> None:
        """End the connection and what waits in it: the ledger knows what is missing."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    @property
    def _host(self) -> str:
        return self._url.hostname or ""

    def _client_id(self) -> str:
        # 23 letters and digits are what every broker of MQTT 3.1.1 takes.
        named = f"{self._farm}\0{self._prefix}".encode()
        return "nasfarm" + hashlib.blake2b(named, digest_size=8).hexdigest()
