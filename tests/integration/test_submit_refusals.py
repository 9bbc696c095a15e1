"""What `farm submit` does not take: said in a sentence with the way on; nothing is written."""

from __future__ import annotations

import os
import re
import selectors
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from farmyard import Farmyard
from nasfarm.broker import embedded
from needs import needs, needs_root
from pictures import picture, pictures, socket_at


def jobs(yard: Farmyard) -> set[str]:
    return set(os.listdir(yard.home / "jobs"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param("{f} --recipe detct", "recipe.*'detct'.*'detect'", id="recipe"),
        pytest.param(
            "{f} --recipe detect --set model=nanodet", "'nanodet'.*'nanodet-g'", id="model"
        ),
        pytest.param(
            "{f} --recipe ocr --set rec.model=ppocr-v4-rek", "'ppocr-v4-rec'", id="stage's model"
        ),
        pytest.param("{f} --recipe detect --set model=nanodet-g@9", "9.*2", id="model's version"),
        pytest.param(
            "{f} --recipe detect --set model=nanodet-g@2/int9", "'int9'.*'int8'", id="variant"
        ),
        pytest.param("{f} --recipe detect --set scor=1", "'scor'.*'score'", id="key"),
        pytest.param("{f} --recipe detect --set score=2", "score: .*2.*from 0.05 to 1", id="value"),
        pytest.param("{f} --recipe detect --set score=much", "much.*a number", id="no number"),
        pytest.param("{f} --recipe detect --set score", "key=value", id="no value"),
        pytest.param(
            "{f} --recipe person-detect --set labels=car,persn", "'persn'.*'person'", id="label"
        ),
        pytest.param("{f} --recipe person-detect --set alert_zone=door", "zone.*'door'", id="zone"),
        pytest.param("{f}/0000.jpeg --recipe detect", "'0000.jpeg'.*'0000.jpg'", id="file"),
        pytest.param("{f}x/0000.jpg --recipe detect", "did you mean '{n}'", id="folder"),
        pytest.param("{f}/*.png --recipe detect", "nothing matches", id="pattern"),
        pytest.param("{f} --recipe detect --priority hihg", "hihg", id="priority"),
        pytest.param("{f}", "--recipe", id="no recipe"),
        pytest.param("--recipe detect", "PATHS", id="no path"),
        pytest.param("{f} --recipe detect --agian", "--again", id="option"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known(
    common_farm: Farmyard, folder: Path, arguments: str, said: str
) -> None:
    pictures(folder, 1)
    before = jobs(common_farm)
    named = arguments.format(f=folder, n=folder.name).split()
    ran = common_farm.run("submit", *named)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    assert re.search(said.replace("{n}", re.escape(folder.name)), ran.err, re.DOTALL), ran.err
    assert jobs(common_farm) == before


def test_an_unknown_job_is_refused_with_the_nearest_known(
    common_farm: Farmyard, folder: Path
) -> None:
    pictures(folder, 1)
    job_id = common_farm.ok("submit", folder, "--recipe", "detect", "--json").json["job_id"]
    for command in ("status", "wait", "cancel", "retry", "failed", "results"):
        ran = common_farm.run(command, job_id + "x")
        assert (ran.code, ran.out) == (2, ""), command
        assert f"'{job_id}'" in ran.err, command


def test_an_unknown_command_is_refused_with_the_nearest_known(common_farm: Farmyard) -> None:
    ran = common_farm.run("sumbit", "x")
    assert ran.code == 2
    assert "'submit'" in ran.err


def test_a_folder_without_pictures_is_refused_and_says_what_it_holds(
    common_farm: Farmyard, folder: Path
) -> None:
    (folder / "notes.txt").write_text("no picture")
    ran = common_farm.run("submit", folder, "--recipe", "detect")
    assert ran.code == 2
    assert str(folder) in ran.err
    assert "1" in ran.err


def device(path: Path) -> None:
    needs_root("make a device")
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero: reading never ends
    except PermissionError:
        needs(False, "this container may not make devices (capability MKNOD)")


def locked_folder(path: Path) -> None:
    path.mkdir(mode=0o000)


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "not_a_file"),
    "device": (device, "not_a_file"),
    "socket": (socket_at, "not_a_file"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "not_a_file"),
    "link to itself": (lambda path: path.symlink_to(path.name), "not_a_file"),
    "link to a device": (lambda path: path.symlink_to("/dev/zero"), "outside_root"),
    "link out": (lambda path: path.symlink_to("/etc/hostname"), "outside_root"),
    "link to a folder out": (lambda path: path.symlink_to("/etc"), "outside_root"),
    "folder without rights": (locked_folder, "not_a_file"),
}
"""What is no picture, how it is made, and how it is counted in a folder."""


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_cannot_be_a_picture_is_refused_by_name(
    common_farm: Farmyard, folder: Path, kind: str
) -> None:
    NO_FILES[kind][0](folder / "x.jpg")
    before = jobs(common_farm)
    ran = common_farm.run("submit", folder / "x.jpg", "--recipe", "detect", timeout_s=20)
    assert (ran.code, ran.out) == (2, "")
    assert f"{folder / 'x.jpg'}" in ran.err
    assert "Traceback" not in ran.err
    assert jobs(common_farm) == before


@pytest.mark.parametrize("named", ["", "/*.jpg"], ids=["folder", "pattern"])
def test_what_cannot_be_a_picture_is_skipped_where_it_was_not_named(
    common_farm: Farmyard, folder: Path, named: str
) -> None:
    picture(folder / "a.jpg")
    for kind, (make, _) in NO_FILES.items():
        make(folder / f"{kind}.jpg")
    ran = common_farm.ok("submit", f"{folder}{named}", "--recipe", "detect", "--wait", "--json")
    assert (ran.json["items"], ran.json["ok"]) == (1, 1)
    assert f"{folder}/folder without rights.jpg" in ran.err, "this one may be a mistake: it is said"
    skipped = {reason: count for reason, count in ran.json["skipped"].items() if count}
    assert skipped == Counter(reason for _, reason in NO_FILES.values())


def test_a_farm_that_was_never_up_refuses_with_75_and_says_what_to_start(
    farm_home: Farmyard,
) -> None:
    photos = farm_home.folder / "photos"
    pictures(photos, 2)
    farm_home.ok("roots", "add", "photos", photos)
    never = farm_home.run("submit", photos, "--recipe", "detect")
    assert (never.code, never.out) == (75, "")
    assert "farm up" in never.err

    farm_home.up()
    farm_home.ok("down")
    before = tree(farm_home)
    begun = time.monotonic()
    stopped = farm_home.run("submit", photos, "--recipe", "detect", "--wait", "--json")
    assert time.monotonic() - begun < 10
    assert (stopped.code, stopped.out) == (75, "")
    assert "farm up" in stopped.err
    assert tree(farm_home) == before


def tree(yard: Farmyard) -> list[tuple[str, int]]:
    """Every file of the home and the state, with its time."""
    files = [path for top in (yard.home, yard.state) for path in top.rglob("*")]
    return sorted((str(path), path.lstat().st_mtime_ns) for path in files)


@contextmanager
def gate(url: str) -> Iterator[str]:
    """A way to the broker that lets two connections through, and is gone for every later one.

    The first asks whether the broker is there; with the second the job is planned. A third would
    hand out its hints.
    """
    far = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        thread = threading.Thread(target=_let_two_through, args=(door, far.hostname, far.port))
        thread.start()
        yield url.replace(f"{far.hostname}:{far.port}", f"127.0.0.1:{port}")
        thread.join(10)


def _let_two_through(door: socket.socket, host: str | None, port: int | None) -> None:
    _pass_on(door.accept()[0], host, port)
    near, _ = door.accept()
    door.close()
    _pass_on(near, host, port)


def _pass_on(near: socket.socket, host: str | None, port: int | None) -> None:
    with near, socket.create_connection((host, port)) as far, selectors.DefaultSelector() as ways:
        ways.register(near, selectors.EVENT_READ, far)
        ways.register(far, selectors.EVENT_READ, near)
        while True:
            for key, _ in ways.select(timeout=10):
                assert isinstance(key.fileobj, socket.socket)
                content = key.fileobj.recv(65536)
                if not content:
                    return
                key.data.sendall(content)


def test_a_broker_that_goes_away_once_the_job_is_written_leaves_it_queued_on_storage(
    common_farm: Farmyard, folder: Path
) -> None:
    pictures(folder, 3)
    url = embedded.url_of(common_farm.state / "broker")
    assert url is not None
    with gate(url) as way:
        yard = Farmyard(common_farm.folder, {"FARM_BROKER_URL": way})
        ran = yard.run("submit", folder, "--recipe", "detect")
    assert ran.code == 0, ran.err
    assert "queued on storage" in ran.err
    end = common_farm.ok("wait", ran.out.strip(), "--timeout", 30, "--json").json
    assert (end["state"], end["ok"]) == ("done", 3)
