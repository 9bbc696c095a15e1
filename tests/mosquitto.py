"""Debian's MQTT broker for a test, and a subscriber to it as Home Assistant is one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from farmyard import wait_until
from needs import needs
from webhooks import free_port

USER, PASSWORD = "farm", "open sesame"


@dataclass(slots=True)
class Mosquitto:
    """Debian's MQTT broker, which keeps over its restarts what subscribers have not fetched.

    guarded: it lets in only USER with PASSWORD.
    """

    program: str
    folder: Path
    port: int
    guarded: bool = False
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        config, users = self.folder / "mosquitto.conf", self.folder / "users"
        if self.guarded:
            subprocess.run(["mosquitto_passwd", "-b", "-c", users, USER, PASSWORD], check=True)
        config.write_text(
            f"listener {self.port} 127.0.0.1\npersistence true\n"
            f"persistence_location {self.folder}/\nmax_queued_messages 0\n"
            + (f"password_file {users}\n" if self.guarded else "allow_anonymous true\n")
            + ("user root\n" if os.geteuid() == 0 else "")
        )
        log = open(self.folder / "log", "ab")  # noqa: SIM115
        with log:
            self.process = subprocess.Popen(
                [self.program, "-c", str(config)], stdout=log, stderr=subprocess.STDOUT
            )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


@dataclass(slots=True)
class Listener:
    """A subscriber as Home Assistant is one: it connects again by itself."""

    port: int
    guarded: bool = False
    got: list[tuple[str, bytes]] = field(default_factory=list)
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(CallbackAPIVersion.VERSION2, "listener", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._connected
        self.client.on_message = self._came
        if self.guarded:
            self.client.username_pw_set(USER, PASSWORD)

    def start(self) -> None:
        self.client.connect("127.0.0.1", self.port, 10)
        self.client.loop_start()

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _connected(self, client: Client, *_: Any) -> None:
        client.subscribe([("nasfarm/#", 1), ("homeassistant/#", 1)])

    def _came(self, _: Client, __: Any, message: MQTTMessage) -> None:
        self.got.append((message.topic, message.payload))

    def last(self, topic: str) -> bytes:
        return next((payload for name, payload in reversed(self.got) if name == topic), b"")

    def events(self, rule: str = "anybody") -> list[Any]:
        """What came of a rule, in order."""
        return [json.loads(payload) for topic, payload in self.got if topic.endswith(f"/{rule}")]


@contextmanager
def broker(folder: Path, *, guarded: bool = False) -> Iterator[Mosquitto]:
    """The broker on loopback while the block runs; it may be stopped and started in it."""
    # Debian puts it where only root's PATH leads.
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    needs(program, "mosquitto is not installed: apt-get install mosquitto")
    mosquitto = Mosquitto(str(program), folder, free_port(), guarded)
    mosquitto.start()
    try:
        yield mosquitto
    finally:
        mosquitto.stop()


@contextmanager
def listening(broker: Mosquitto) -> Iterator[Listener]:
    """A subscriber to all that the farm says, while the block runs."""
    listener = Listener(broker.port, broker.guarded)

    def connected() -> bool:
        try:
            listener.start()
        except ConnectionRefusedError:
            return False
        return True

    wait_until(connected, 10, "mosquitto listens")
    try:
        wait_until(lambda: listener.client.is_connected(), 10)
        yield listener
    finally:
        listener.stop()
