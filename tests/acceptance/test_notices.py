"""Receivers go away, the notifier is killed: each notice arrives, in order, under one id."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from farmyard import wait_until
from mosquitto import PASSWORD, USER, broker, listening
from nasfarm.core.notices import notice_rules
from nasfarm.home import Home
from nasfarm.notify import Notifier
from watchedjobs import WatchedJob, bare_home
from webhooks import free_port, receiver_process

RECIPES = ("detect", "detect-yard")
PASSES = """
import sys, time
from datetime import datetime
from pathlib import Path
from acceptance.test_notices import rules_of
from nasfarm.notify import Notifier
from watchedjobs import bare_home
notifier = Notifier(bare_home(Path(sys.argv[1])))
while True:
    notifier.notify(rules_of(int(sys.argv[2]), int(sys.argv[3])), datetime.now().astimezone())
    time.sleep(0.05)
"""
"""What a leading watcher does with its rules, and nothing else."""


def rules_of(web_port: int, mqtt_port: int) -> dict[str, Any]:
    rule = {
        "name": "anybody",
        "when": {"label": "person"},
        "webhook": f"http://127.0.0.1:{web_port}/hook",
        "mqtt": f"mqtt://127.0.0.1:{mqtt_port}",
    }
    return {recipe: notice_rules([rule], "here") for recipe in RECIPES}


@dataclass(slots=True)
class Passes:
    """The process that tells. It dies by kill -9 and comes back."""

    arguments: list[str]
    chance: random.Random
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0
    next_s: float = 1.5

    def start(self) -> None:
        tests = str(Path(__file__).parents[1])
        path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-c", PASSES, *self.arguments]
        self.process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, "it ended by itself"
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def kill_at_times(self, now_s: float) -> None:
        """Kill it and start it again, each 0.7 to 3 s. now_s: since the begin."""
        if now_s > self.next_s:
            self.kill()
            self.start()
            self.next_s = now_s + self.chance.uniform(0.7, 3)


class Day:
    """Pictures that come in, some each tenth of a second, into both recipes."""

    def __init__(self, home: Home, chance: random.Random) -> None:
        day = datetime.now().astimezone().date().isoformat()
        self.jobs = {recipe: WatchedJob(home.jobs, recipe, day).made() for recipe in RECIPES}
        self.expected: dict[str, list[str]] = {recipe: [] for recipe in RECIPES}
        self.chance = chance

    def come(self) -> None:
        recipe = self.chance.choice(RECIPES)
        names = [
            f"cam/{len(self.expected[recipe]) + n}.jpg" for n in range(self.chance.randint(1, 3))
        ]
        self.jobs[recipe].see(*names)
        self.expected[recipe] += [self.jobs[recipe].item(name) for name in names]

    def is_told(self, *receivers: list[Any]) -> bool:
        return all(
            set(first_arrivals(events, recipe)) == set(self.expected[recipe])
            for events in receivers
            for recipe in RECIPES
        )

    def check(self, receiver: str, events: list[Any]) -> None:
        """Each event came, in order, under an id of its own."""
        count = sum(map(len, self.expected.values()))
        print(f"{receiver}: {count} events, {len(events) - count} came twice")
        for recipe in RECIPES:
            assert first_arrivals(events, recipe) == self.expected[recipe]
        assert len({(event["item"], event["id"]) for event in events}) == count
        assert len({event["id"] for event in events}) == count


def first_arrivals(events: list[Any], recipe: str) -> list[str]:
    return list(dict.fromkeys(event["item"] for event in events if event["recipe"] == recipe))


def web_events(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []


def begin_telling(home: Home, rules: dict[str, Any]) -> None:
    """From here on, all is news."""
    first = Notifier(home)
    first.notify(rules, datetime.now().astimezone())
    first.close()


@pytest.mark.parametrize(
    "away_s",
    [pytest.param(5, marks=pytest.mark.short, id="seconds"), pytest.param(60, id="a-minute")],
)
def test_every_event_arrives_in_order_and_under_one_id_whatever_goes_away(
    tmp_path: Path, chance: random.Random, away_s: float
) -> None:
    home, file, web_port = bare_home(tmp_path), tmp_path / "web.jsonl", free_port()
    web = receiver_process(web_port, file)
    with broker(tmp_path / "mosquitto") as mosquitto, listening(mosquitto) as listener:
        rules = rules_of(web_port, mosquitto.port)
        begin_telling(home, rules)
        passes = Passes([str(tmp_path), str(web_port), str(mosquitto.port)], chance)
        passes.start()
        day, begun = Day(home, chance), time.monotonic()
        try:
            while (passed_s := time.monotonic() - begun) < away_s + 4:
                day.come()
                if passed_s > 2 and mosquitto.process and passed_s < away_s:
                    web.kill()
                    web.wait()
                    mosquitto.stop()
                passes.kill_at_times(passed_s)
                if passed_s > away_s + 2 and not mosquitto.process:
                    web = receiver_process(web_port, file)
                    mosquitto.start()
                time.sleep(0.1)

            wait_until(lambda: day.is_told(web_events(file), listener.events()), 90, "every event")
        finally:
            passes.kill()
            web.kill()
            web.wait()
        print(f"{passes.kills} kills")
        day.check("webhook", web_events(file))
        day.check("mqtt", listener.events())


@pytest.mark.short
def test_home_assistant_is_told_what_there_is_and_whether_it_is_alive(tmp_path: Path) -> None:
    _home, web_port = bare_home(tmp_path), free_port()
    with broker(tmp_path / "mosquitto") as mosquitto, listening(mosquitto) as listener:
        passes = Passes([str(tmp_path), str(web_port), str(mosquitto.port)], random.Random(0))
        passes.start()
        try:
            wait_until(lambda: listener.last("nasfarm/status") == b"online", 20)
            ids = [f"{recipe}_anybody" for recipe in RECIPES]
            topics = [f"homeassistant/binary_sensor/nasfarm/{name}/config" for name in ids]
            topics += [f"homeassistant/sensor/nasfarm/{name}_count/config" for name in ids]
            wait_until(lambda: all(map(listener.last, topics)), 10, "what there is")
            shown = json.loads(listener.last(topics[0]))
            assert shown["state_topic"] == "nasfarm/detect/anybody"
            assert shown["availability_topic"] == "nasfarm/status"
            assert shown["unique_id"] == "nasfarm_detect_anybody"
        finally:
            passes.kill()
        wait_until(lambda: listener.last("nasfarm/status") == b"offline", 10, "the last will")


@pytest.mark.short
@pytest.mark.parametrize(
    ("user", "password", "words"),
    [
        pytest.param("", None, "Write USER@ before the host", id="no user"),
        pytest.param(f"{USER}@", None, "wants a password. Write it into", id="no password"),
        pytest.param(f"{USER}@", "wrong", "Correct USER@ in farm.yml or", id="wrong password"),
    ],
)
def test_whom_the_broker_does_not_let_in_is_told_which_file_to_mend(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, user: str, password: str | None, words: str
) -> None:
    home = bare_home(tmp_path)
    file = home.state_dir / "secrets" / "mqtt"
    with broker(tmp_path / "mosquitto", guarded=True) as mosquitto, listening(mosquitto):
        if password:
            write_private(file, password)
        url = f"mqtt://{user}127.0.0.1:{mosquitto.port}"
        rule = {"name": "anybody", "when": {"label": "person"}, "mqtt": url}
        rules, now = {"detect": notice_rules([rule], "here")}, datetime.now().astimezone()
        notifier = Notifier(home)
        try:
            told = notifier.notify(rules, now)
            assert told.waiting == 1
            (reason,) = [vars(record)["reason"] for record in caplog.records]
            assert words in reason
            assert str(file) in reason
            if user:
                write_private(file, PASSWORD)
                wait_until(lambda: not notifier.notify(rules, now).waiting, 10)
        finally:
            notifier.close()


def write_private(file: Path, text: str) -> None:
    file.touch(0o600)
    file.write_text(f"{text}\n")
