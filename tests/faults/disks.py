"""Disks of a test's own: small ones, ones that go away, ones without hard links or power."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farmyard import Farmyard, wait_until
from needs import needs, needs_root, needs_tool

SFTP_SERVER = Path("/usr/lib/openssh/sftp-server")
MEGABYTE = 1 << 20


def run(*command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


@contextmanager
def mounted(source: Path | str, place: Path, *options: str) -> Iterator[Path]:
    """Mount something; it is gone afterwards, whoever still uses it."""
    needs_root("mount a disk")
    place.mkdir(parents=True, exist_ok=True)
    run("mount", *options, source, place)
    try:
        yield place
    finally:
        away(place)


def away(place: Path) -> None:
    """Take a disk away as pulling its cable does: at once, also from those who use it."""
    # Of a share whose server is dead nothing can be asked but the kernel's table.
    if f" {place} " in Path("/proc/self/mounts").read_text():
        run("umount", "--lazy", place)


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    with mounted("tmpfs", place, "-t", "tmpfs", "-o", f"size={megabytes}m") as disk:
        yield disk


def ext2_image(path: Path, megabytes: int) -> Path:
    """A file with an empty ext2 in it: an ext4's journal would stop all of it at the first EIO."""
    needs_tool("mkfs.ext2", "e2fsprogs")
    with open(path, "wb") as file:
        file.truncate(megabytes * MEGABYTE)
    run("mkfs.ext2", "-q", "-F", "-m", "0", "-e", "continue", path)
    return path


def ext4_image(path: Path, megabytes: int) -> Path:
    """A file with an empty ext4 in it, every block of its own written."""
    needs_tool("mkfs.ext4", "e2fsprogs")
    with open(path, "wb") as file:
        file.truncate(megabytes * MEGABYTE)
    eager = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", eager, path)
    return path


@contextmanager
def failing(image: Path) -> Iterator[None]:
    """While the block runs, every write to a mounted image's medium fails: EIO.

    The image lies on an ext4, which refuses writes to an immutable file also where it is open.
    """
    run("chattr", "+i", image)
    try:
        yield
    finally:
        run("chattr", "-i", image)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """While the block runs, a disk has no room left: ENOSPC."""
    ballast = fill(folder)
    try:
        yield
    finally:
        ballast.unlink()


def fill(folder: Path) -> Path:
    """A file that takes all the room that is left on a disk; delete it to make room again."""
    ballast = folder / ".ballast"
    with open(ballast, "ab", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            try:
                while True:
                    file.write(b"0" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return ballast


@contextmanager
def share_without_links(below: Path, place: Path, *options: str) -> Iterator[Path]:
    """A folder seen through sshfs, whose kernel side refuses link(2); no network takes part."""
    needs_root("mount a share")
    sshfs = needs_tool("sshfs")
    needs(SFTP_SERVER.exists(), "no sftp-server: apt-get install openssh-sftp-server")
    below.mkdir(parents=True, exist_ok=True)
    place.mkdir(parents=True, exist_ok=True)
    here, there = socket.socketpair()
    with here, there:
        server = subprocess.Popen([SFTP_SERVER], stdin=here, stdout=here)
        wanted = ",".join(["passive", "disable_hardlink", *options])
        share = subprocess.Popen(
            [sshfs, "-f", "-o", wanted, f"nobody:{below}", place], stdin=there, stdout=there
        )
    try:
        wait_until(lambda: os.path.ismount(place), 10, "the share is not mounted")
        yield place
    finally:
        away(place)
        for process in (share, server):
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def home_megabytes(folder: Path) -> int:
    """How large a home with its models is; one is made in `folder`, and removed."""
    yard = Farmyard(folder / "measured")
    yard.ok("init")
    size = sum(path.stat().st_size for path in yard.home.rglob("*") if path.is_file())
    shutil.rmtree(yard.folder)
    return size // MEGABYTE + 1


def forgetful_library() -> Path | None:
    """What makes every fsync a lie, once it is preloaded.

    Debian keeps it where only the linker looks, in a folder named after the machine's kind.
    """
    return next(Path("/usr/lib").glob("*-linux-gnu/libeatmydata.so"), None)


@dataclass(frozen=True, slots=True)
class Pictured:
    """A disk of which pictures can be taken, each as the disk would be after a power cut.

    place: where it is mounted. image: the file that is its medium.
    """

    place: Path
    image: Path

    def cut(self, number: int) -> Path:
        """What has reached the medium by now, all of one moment."""
        picture = self.image.with_name(f"cut{number}.img")
        run("cp", "--reflink=always", self.image, picture)
        return picture


@contextmanager
def pictured_disk(folder: Path, megabytes: int, cuts: int) -> Iterator[Pictured]:
    """An ext4 in a file on an XFS: what its programs have not forced to it is not in a picture."""
    needs_root("mount a disk")
    needs_tool("mkfs.xfs", "xfsprogs")
    folder.mkdir(parents=True)
    bed = folder / "bed.img"
    with open(bed, "wb") as file:
        file.truncate((megabytes * 2 + cuts * 40 + 300) * MEGABYTE)
    run("mkfs.xfs", "-q", "-m", "reflink=1", bed)
    with mounted(bed, folder / "bed", "-o", "loop") as place:
        image = ext4_image(place / "disk.img", megabytes)
        with mounted(image, folder / "disk", "-o", "loop") as disk:
            yield Pictured(disk, image)
    bed.unlink()
