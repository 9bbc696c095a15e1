"""What `farm doctor` makes of what it sees: good, a warning or broken, and what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasfarm.core.checks import Level, broken, ok, warning, worst
from nasfarm.core.nodes import NodeReport, Slot
from nasfarm.doctor import judge_clock, judge_mount, judge_nodes, judge_room
from nasfarm.storage.mounts import Mount, mount_of

HOME = Path("/volume1/farm")


@pytest.mark.parametrize(
    ("kind", "flags", "level", "said"),
    [
        pytest.param("ext4", "rw,relatime", Level.OK, "ext4", id="disk"),
        pytest.param("ext4", "ro,relatime", Level.BROKEN, "read-only", id="read-only"),
        pytest.param("nfs4", "rw,hard", Level.OK, "network", id="NFS"),
        pytest.param("nfs4", "rw,soft", Level.WARNING, "soft", id="soft NFS"),
        pytest.param("nfs4", "ro,soft", Level.BROKEN, "read-only", id="the worse counts"),
        pytest.param("fuse.sshfs", "rw", Level.OK, "network", id="FUSE share"),
        pytest.param("tmpfs", "rw", Level.WARNING, "memory", id="memory"),
        pytest.param("", "", Level.OK, "unknown type", id="unknown"),
    ],
)
def test_the_homes_mount_is_judged(kind: str, flags: str, level: Level, said: str) -> None:
    check = judge_mount("home", HOME, Mount(kind, frozenset(flags.split(","))))
    assert check.level == level
    assert said in check.found
    assert bool(check.mend) == (level is not Level.OK)


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        pytest.param(b"1 0 8:1 / /a ro - ext4 /dev/a rw", "ro", id="this mount is read-only"),
        pytest.param(b"1 0 8:1 / /a rw - ext4 /dev/a ro", "ro", id="the disk is read-only"),
        pytest.param(b"1 0 8:1 / /a rw shared:1 - nfs4 n:/a rw,soft", "soft", id="NFS's own"),
    ],
)
def test_a_mounts_flags_are_those_of_the_mount_and_of_its_disk(line: bytes, flag: str) -> None:
    flags = mount_of(Path("/a/b"), line).flags
    assert flag in flags
    assert not {"ro", "rw"} <= flags


@pytest.mark.parametrize(
    ("free_bytes", "level"),
    [(5 << 30, Level.OK), (1 << 30, Level.OK), (500 << 20, Level.WARNING), (9, Level.BROKEN)],
)
def test_a_disk_that_runs_full_warns_before_it_breaks(free_bytes: int, level: Level) -> None:
    assert judge_room("home", HOME, free_bytes).level == level


@pytest.mark.parametrize(
    ("skew_s", "level", "said"),
    [
        pytest.param(0.2, Level.OK, "agrees", id="in step"),
        pytest.param(4.9, Level.OK, "agrees", id="nearly"),
        pytest.param(7200, Level.WARNING, "7200 s ahead", id="two hours ahead"),
        pytest.param(-6, Level.WARNING, "6 s behind", id="behind"),
    ],
)
def test_a_clock_that_is_off_is_a_warning(skew_s: float, level: Level, said: str) -> None:
    check = judge_clock("nas", skew_s)
    assert (check.level, said in check.found) == (level, True)


def node(name: str, *, state: str = "ready", paused: str = "") -> NodeReport:
    return NodeReport(name, "b", "0", 1, ("home",), (), (Slot(0, (0,), 1, state),), paused)


def test_nodes_that_do_not_work_are_told_with_their_reason() -> None:
    alive = [node("a"), node("b", paused="disk full"), node("c", state="restarting")]
    checks = {check.where: check for check in judge_nodes(alive, {"a", "b", "c", "gone"})}
    assert checks["a"].level is Level.OK
    assert "disk full" in checks["b"].found
    assert "slot 0 is restarting" in checks["c"].found
    assert "went" in checks["gone"].found
    assert {checks[name].level for name in ("b", "c", "gone")} == {Level.WARNING}


def test_no_node_at_all_is_a_warning_with_the_command() -> None:
    [check] = judge_nodes([], set())
    assert (check.level, check.mend) == (Level.WARNING, "farm up --detach")


def test_the_worst_check_decides_the_exit_status() -> None:
    good, odd, bad = ok("a", "-", ""), warning("b", "-", "", "x"), broken("c", "-", "", "x")
    assert worst([]) == worst([good]) == 0
    assert worst([good, odd]) == 1
    assert worst([bad, odd, good]) == 2
