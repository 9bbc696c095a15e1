"""What a heartbeat tells of its box: room on disks, the highest temperature, what it lacks."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from nasfarm.core import wire
from nasfarm.core.nodes import Disk, NodeReport
from nasfarm.nodes.sensors import Sensors, disks, highest_c

Told = namedtuple("Told", "label current high critical")  # as psutil has it


def test_room_is_told_of_each_folder_that_is_there(tmp_path: Path) -> None:
    (disk,) = disks({"home": tmp_path, "state": tmp_path / "gone"})
    assert disk.name == "home"
    assert disk.total_bytes == shutil.disk_usage(tmp_path).total > disk.free_bytes > 0


@pytest.mark.parametrize(
    ("sensors", "highest"),
    [
        ({}, None),
        ({"coretemp": [Told("", 41.0, None, None), Told("", 55.5, 90, 100)],
          "drivetemp": [Told("", 38.0, None, None)]}, 55.5),
        ({"acpitz": [Told("", -273.0, None, None), Told("", 0.0, None, None)],
          "nct6775": [Told("", 255.0, None, None)]}, None),
    ],
    ids=["none", "several", "none connected"],
)  # fmt: skip
def test_the_highest_temperature_of_a_connected_sensor_is_told(
    sensors: dict[str, Any], highest: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors)
    assert highest_c() == highest


def test_a_driver_that_fails_tells_no_temperature(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OSError("no such device")

    monkeypatch.setattr(psutil, "sensors_temperatures", fails)
    assert highest_c() is None


def test_the_sensors_are_left_alone_between_two_looks(tmp_path: Path) -> None:
    sensors = Sensors({"home": tmp_path})
    sensors.look()
    (seen,) = sensors.disks
    (tmp_path / "large").write_bytes(bytes(1 << 20))
    sensors.look()
    assert sensors.disks == (seen,)


def test_reports_of_other_releases_are_understood() -> None:
    new = NodeReport("nas", "b", "9", 1, ("home",), (), (), disks=(Disk("home", 1, 2),))
    plain = wire.plain(new)
    old = {
        name: plain[name] for name in ("node", "boot", "version", "pid", "roots", "away", "slots")
    }
    assert wire.decode(NodeReport, msgspec.json.encode(old), "here").disks == ()
    later = plain | {"sockets": 2, "disks": [plain["disks"][0] | {"kind": "ssd"}]}
    assert wire.decode(NodeReport, msgspec.json.encode(later), "here") == new
