"""The power goes while files are dropped: none that was safe is lost, doubled or half-read."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from disks import Pictured, forgetful_library, mounted, pictured_disk, run

from needs import needs
from watchedfarm import SOON, Watched, begun, small

LEASE_S = "6"
CUTS = 10
DISK_MB = 500
AFTER_A_CUT_S = 90


@dataclass(slots=True)
class Camera:
    """Drops one file after another; every other one is forced to disk, as a careful camera does.

    dropped: by name, what was written. synced: names of those that were forced to disk since.
    """

    inbox: Path
    chance: random.Random
    made: Path
    dropped: dict[str, bytes] = field(default_factory=dict)
    synced: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def film(self) -> None:
        for n in itertools.count():
            if self.over.wait(self.chance.uniform(0, 0.06)):
                return
            self.drop(f"{n:05d}.jpg", small(n, self.made), careful=n % 2 == 0)

    def drop(self, name: str, content: bytes, careful: bool) -> None:
        content += self.chance.randbytes(self.chance.randint(0, 200_000))
        folder = self.inbox / self.chance.choice(["", "front", "back/yard"])
        folder.mkdir(parents=True, exist_ok=True)
        self.dropped[name] = content
        with open(folder / name, "wb") as file:
            file.write(content)
            file.flush()
            if careful:
                os.fsync(file.fileno())
        if careful:  # the folders, too; the watcher may have the file by now
            for path in {folder, *folder.parents} - set(self.inbox.parents):
                handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
                os.fsync(handle)
                os.close(handle)
            self.synced.append(name)


@contextmanager
def filming(camera: Camera) -> Iterator[None]:
    thread = threading.Thread(target=camera.film)
    thread.start()
    try:
        yield
    finally:
        camera.over.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut. promised: names of files that no cut may lose. dropped: as of `Camera`."""

    picture: Path
    promised: frozenset[str]
    handed_in: int
    dropped: Mapping[str, bytes]


def cuts_while_dropping(
    disk: Pictured, chance: random.Random, folder: Path, more: Mapping[str, str]
) -> Iterator[Cut]:
    """The disk's pictures, of a farm that takes what a camera drops."""
    farm = Watched(disk.place, {"FARM_LEASE_S": LEASE_S, **more})
    camera = Camera(farm.inbox, chance, folder / "made")
    cuts = []
    try:
        begun(farm, SOON)
        camera.drop("first.jpg", small(70_000, camera.made), careful=True)
        farm.settled(30)
        run("sync", "--file-system", disk.place)  # only what is dropped from now on is in question
        with filming(camera):
            time.sleep(2)
            for number in range(CUTS):
                time.sleep(chance.uniform(0.1, 2))
                synced = set(camera.synced)
                handed_in = {Path(line["item"]).name for line in farm.planned()}
                picture = disk.cut(number)
                cuts.append(Cut(picture, frozenset(synced | handed_in), len(handed_in), {}))
    finally:
        farm.close()
    for cut in cuts:
        yield Cut(cut.picture, cut.promised, cut.handed_in, camera.dropped)


def wrong_after(cut: Cut, place: Path) -> list[str]:
    """What is wrong after the power is back: nothing, where all is well."""
    with mounted(cut.picture, place, "-o", "loop"):
        farm = Watched(place, {"FARM_LEASE_S": LEASE_S})
        try:
            up = farm.run("up", "--detach")
            if up.code:
                return [f"the farm does not start: {up.err[-300:]}"]
            return [*not_settled(farm), *what_is_wrong(farm, cut)]
        except ValueError as error:  # no JSON any more: a page of the disk holds zeros
            return [f"what was handed in or found cannot be read: {error}"]
        finally:
            farm.close()


def not_settled(farm: Watched) -> Iterator[str]:
    try:
        farm.settled(AFTER_A_CUT_S)
    except AssertionError as error:
        yield f"{error}; the watcher says: {farm.log()[-300:]}"


def what_is_wrong(farm: Watched, cut: Cut) -> Iterator[str]:
    lines: dict[str, list[str]] = {}
    for line in farm.published():
        path = farm.file_of(line["item"])
        whole = path.read_bytes() == cut.dropped.get(path.name)
        lines.setdefault(path.name, []).append(line["status"] if whole else "torn")
    for name in sorted(cut.promised | lines.keys()):
        found = lines.get(name, [])
        # Of what was neither forced to disk nor handed in, less or nothing may be left.
        if found != ["ok"] and not (name not in cut.promised and len(found) == 1):
            yield f"{name}: {found or 'lost'}"
    for planned in farm.planned():
        size = farm.file_of(planned["item"]).stat().st_size
        if planned["bytes"] != size:
            yield f"{planned['item']}: {planned['bytes']} bytes were handed in of {size}"


def test_ten_power_cuts_cost_nothing_that_was_dropped(
    tmp_path: Path, cached_models: None, chance: random.Random
) -> None:
    with pictured_disk(tmp_path / "disks", DISK_MB, CUTS) as disk:
        cuts = cuts_while_dropping(disk, chance, tmp_path, {})
        for number, cut in enumerate(cuts):
            start = time.monotonic()
            wrong = wrong_after(cut, tmp_path / f"after{number}")
            took_s = time.monotonic() - start
            print(
                f"cut {number}: {len(cut.promised)} files promised, {cut.handed_in} handed in; "
                f"wrong {wrong}, {took_s:.0f} s"
            )
            assert not wrong
            cut.picture.unlink()


def test_the_same_without_forced_writes_loses_dropped_files(
    tmp_path: Path, cached_models: None, chance: random.Random
) -> None:
    """That the test above can fail: Debian's eatmydata makes every fsync of the farm a lie."""
    library = forgetful_library()
    needs(library, "eatmydata is not installed: apt-get install eatmydata")
    lies = {"LD_PRELOAD": str(library)}
    wrong: list[str] = []
    with pictured_disk(tmp_path / "disks", DISK_MB, CUTS) as disk:
        for number, cut in enumerate(cuts_while_dropping(disk, chance, tmp_path, lies)):
            wrong = wrong_after(cut, tmp_path / f"after{number}")
            print(f"cut {number}: {len(cut.promised)} files promised, wrong {wrong}")
            if wrong:
                break
    assert wrong, f"{CUTS} cuts without a forced write lost nothing: the test proves nothing"
