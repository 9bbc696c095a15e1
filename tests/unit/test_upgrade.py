"""A home's format: told, brought up to date whatever interrupts that, and refused where newer."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import traceback
from datetime import date
from pathlib import Path

import pytest

from nasfarm import doctor
from nasfarm.core.checks import Level
from nasfarm.errors import NewerFormatError, RejectError
from nasfarm.storage.atomic import write_file
from nasfarm.upgrade import MARKER, MIGRATIONS, NEWEST, Keep, format_of, refuse_newer, upgrade

TODAY = date(2026, 11, 23)
OLD = {"farm.yml": b"lease_s: 20\n", "recipes/mine.yml": b"extends: detect\n", "list": b"a\nb\n"}


def old_home(folder: Path) -> Path:
    """A home as the first releases made it, with one more file for a later step to change."""
    (folder / "recipes").mkdir(parents=True)
    (folder / "jobs").mkdir()
    for name, content in OLD.items():
        (folder / name).write_bytes(content)
    return folder


def files(home: Path) -> dict[str, bytes]:
    return {str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*") if p.is_file()}


def draft_of(name: str) -> bool:
    """Whether it is a hidden leftover of a killed writer."""
    return Path(name).name.startswith(".") and name != MARKER


def mark(home: Path, number: object) -> None:
    (home / MARKER).write_text(json.dumps({"format": number}))


# -- the steps there are, and one that changes a file ------------------------------------------


def count_lines(home: Path, keep: Keep) -> None:
    """A step as a later release may need it: a file gets another form."""
    keep(home / "list")
    lines = (home / "list").read_text().splitlines()
    if not lines[0].startswith("#"):
        new = f"# {len(lines)}\n" + "".join(f"{line}\n" for line in lines)
        write_file(home / "list", new.encode())


STEPS = (*MIGRATIONS, count_lines)
DONE = {
    **OLD,
    "list": b"# 2\na\nb\n",
    MARKER: b'{\n  "format": %d\n}\n' % (1 + len(STEPS)),
    **{f"backup/format-1-{TODAY}/{name}": OLD[name] for name in ("farm.yml", "recipes/mine.yml")},
    **{f"backup/format-{NEWEST}-{TODAY}/{name}": content for name, content in OLD.items()},
}

TOUCHES = frozenset("open os.mkdir os.rename os.remove os.link os.listdir os.scandir".split())


def begun(home: Path, kill_at: int = 0, day: date = TODAY) -> int:
    """A process that brings the home up; it kills itself at the file operation of that number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        left = itertools.count(1)

        def count(event: str, arguments: tuple[object, ...]) -> None:
            ours = event in TOUCHES and str(arguments[0]).startswith(str(home))
            if ours and next(left) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        upgrade(home, day, lambda _: None, STEPS)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def ended(pid: int) -> int:
    """How it ended: 0, 1, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_an_older_home_is_brought_to_the_newest_format_with_a_backup_and_one_sentence(
    tmp_path: Path,
) -> None:
    home, said = old_home(tmp_path / "home"), list[str]()
    (home / "recipes" / "gone.yml").symlink_to("nowhere")
    assert format_of(home) == 1
    upgrade(home, TODAY, said.append)
    assert format_of(home) == NEWEST
    assert (home / "nodes").is_dir()
    backup = home / "backup" / f"format-1-{TODAY}"
    assert {name: (backup / name).read_bytes() for name in ("farm.yml", "recipes/mine.yml")} == {
        name: OLD[name] for name in ("farm.yml", "recipes/mine.yml")
    }
    [sentence] = said
    assert str(backup) in sentence


def test_a_home_of_the_newest_format_is_left_as_it_is(tmp_path: Path) -> None:
    home, said = old_home(tmp_path / "home"), list[str]()
    upgrade(home, TODAY, said.append)
    before = files(home)
    upgrade(home, date(2026, 11, 24), said.append)
    assert (files(home), len(said)) == (before, 1)


def test_a_folder_that_is_no_home_is_left_alone(tmp_path: Path) -> None:
    upgrade(tmp_path, TODAY, pytest.fail)
    assert list(tmp_path.iterdir()) == []


def test_killed_at_any_step_it_is_finished_by_the_next_start(tmp_path: Path) -> None:
    for at in range(1, 1000):
        home = old_home(tmp_path / str(at))
        end = ended(begun(home, kill_at=at))
        assert ended(begun(home)) == 0
        whole = {name: data for name, data in files(home).items() if not draft_of(name)}
        assert whole == DONE, f"killed at operation {at}"
        if end == 0:  # it was done before it came so far
            break
        assert end == -signal.SIGKILL
    assert at > 20, f"only {at} operations were seen"


def test_two_nodes_at_once_bring_it_up_together(tmp_path: Path) -> None:
    """Even where their clocks show different days: then there may be two backups, both good."""
    for n in range(50):
        home = old_home(tmp_path / str(n))
        both = [begun(home), begun(home, day=date(2026, 11, 22))]
        assert [ended(pid) for pid in both] == [0, 0]
        found = files(home)
        assert {name: found[name] for name in (*OLD, MARKER)} == {
            name: DONE[name] for name in (*OLD, MARKER)
        }
        kept = {name: data for name, data in found.items() if name.startswith("backup/")}
        assert {name.split("/", 2)[2] for name in kept} == set(OLD)
        for name, data in kept.items():
            assert data == OLD[name.split("/", 2)[2]], name


# -- newer, or damaged -------------------------------------------------------------------------


def test_a_newer_home_is_refused_and_not_touched(tmp_path: Path) -> None:
    home = old_home(tmp_path / "home")
    mark(home, NEWEST + 1)
    before = files(home)
    with pytest.raises(NewerFormatError, match=r"newer nasfarm.*Update"):
        upgrade(home, TODAY, pytest.fail)
    assert files(home) == before


@pytest.mark.parametrize(
    "content", ["", "{}", '{"format": "2"}', '{"format": 0}', "2", "\x00" * 20], ids=repr
)
def test_a_damaged_marker_is_never_taken_for_a_format(tmp_path: Path, content: str) -> None:
    home = old_home(tmp_path / "home")
    (home / MARKER).write_text(content)
    with pytest.raises(RejectError, match=r"Delete .*farm init"):
        refuse_newer(home)


def test_a_marker_may_say_more_than_this_release_knows(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text(f'{{"format": {NEWEST}, "made_by": "9.9"}}')
    assert refuse_newer(tmp_path) == NEWEST


@pytest.mark.parametrize(
    ("number", "level", "said"),
    [
        pytest.param(None, Level.WARNING, "1, of an older", id="older"),
        pytest.param(NEWEST, Level.OK, str(NEWEST), id="this release's"),
        pytest.param(NEWEST + 1, Level.BROKEN, "newer", id="newer"),
        pytest.param("?", Level.BROKEN, MARKER, id="damaged"),
    ],
)
def test_the_doctor_tells_the_homes_format(
    tmp_path: Path, number: object, level: Level, said: str
) -> None:
    if number is not None:
        mark(tmp_path, number)
    [check] = doctor.look_at_format(tmp_path)
    assert (check.level, said in check.found) == (level, True)
    assert bool(check.mend) == (level is not Level.OK)
