"""Disk, share and broker fail while files are dropped: each ends in exactly one line."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from disks import (
    ext4_image,
    fill,
    full,
    home_megabytes,
    mounted,
    share_without_links,
    small_disk,
)

from books import records
from farmyard import wait_until
from nasfarm.storage.mounts import filesystem
from ownbroker import own_broker
from watchedfarm import SOON, Watched, begun, small

LEASE_S = "6"
AWAY_S = 20.0

# -- a full disk -----------------------------------------------------------------------------


def reasons(farm: Watched, action: str) -> list[str]:
    """Why the watcher did not do something, each time it said so."""
    return [record["reason"] for record in records(farm, action, "watch.jsonl")]


def drop(farm: Watched, contents: list[bytes], prefix: str) -> None:
    for n, content in enumerate(contents):
        (farm.inbox / f"{prefix}{n}.jpg").write_bytes(content)


def test_a_disk_that_gets_full_takes_no_more_files_until_there_is_room(
    tmp_path: Path, cached_models: None
) -> None:
    megabytes = home_megabytes(tmp_path) + 260
    made = [small(n, tmp_path / "made") for n in range(30)]
    farm = Watched(tmp_path)
    with small_disk(tmp_path / "home", megabytes):
        try:
            begun(farm, SOON)
            drop(farm, made[:10], "before")
            farm.settled(30)
            ballast = farm.home / "ballast"
            with open(ballast, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, 100 << 20)
            drop(farm, made[10:], "while")
            wait_until(lambda: bool(reasons(farm, "not_taken")), 10, "it does not say why")
            print(f"\nit says: {reasons(farm, 'not_taken')}")
            time.sleep(2)
            assert len(list(farm.inbox.glob("while*"))) == 20, "it takes files all the same"
            assert "less than 200 MB" in reasons(farm, "not_taken")[0]
            told = [check["found"] for check in farm.run("doctor", "--json").json]
            assert any("nothing is taken" in found for found in told), told
            ballast.unlink()
            start = time.monotonic()
            farm.settled(30)
            print(f"all lines {time.monotonic() - start:.1f} s after there was room")
            assert farm.contents() == Counter(made)
        finally:
            farm.close()


def ram_disk(tmp_path: Path, place: Path, megabytes: int) -> AbstractContextManager[Path]:
    return small_disk(place, megabytes)


def ext4_disk(tmp_path: Path, place: Path, megabytes: int) -> AbstractContextManager[Path]:
    image = ext4_image(tmp_path / "home.img", megabytes + 30)
    return mounted(image, place, "-o", "loop")


Disk = Callable[[Path, Path, int], AbstractContextManager[Path]]


@pytest.mark.parametrize(
    ("disk", "whole"),
    [
        pytest.param(ram_disk, False, id="tmpfs"),
        pytest.param(ext4_disk, False, id="ext4"),
        pytest.param(ext4_disk, True, id="ext4, and the broker on it"),
    ],
)
def test_where_the_disk_runs_full_all_the_same_nothing_is_lost(
    tmp_path: Path, cached_models: None, disk: Disk, whole: bool
) -> None:
    """No room is kept free, so the fault comes in the middle of taking and handing in.

    whole: all of the farm lies on that disk, as on a box that has only one.
    """
    megabytes = home_megabytes(tmp_path) * (2 if whole else 1) + 16
    made = [small(n, tmp_path / "made") for n in range(300)]
    farm = Watched(tmp_path / "yard", {"FARM_LEASE_S": LEASE_S})
    with disk(tmp_path, farm.folder if whole else farm.home, megabytes):
        try:
            begun(farm, SOON + "watch.free_mb: 0\n")
            drop(farm, made[:10], "before")
            farm.settled(30)
            watcher = farm.watcher()
            said = dropped_while_full(farm, made)
            if not whole:  # else the logs are on the full disk, too
                assert any("No space left on device" in reason for reason in said)
            assert len(said) < 10, "it says the same again and again"
            start = time.monotonic()
            farm.settled(90)
            print(f"all lines {time.monotonic() - start:.1f} s after there was room")
            assert farm.contents() == Counter(made)
            assert {line["status"] for line in farm.published()} == {"ok"}
            assert farm.watcher() == watcher, "the watcher was started anew"
        finally:
            farm.close()


def dropped_while_full(farm: Watched, made: list[bytes]) -> list[str]:
    """Move files into the drop folder while the disk runs full, while it is, and after.

    Returns why nothing was taken, as the watcher's log has it.
    """
    aside = farm.home / "aside"
    aside.mkdir()
    for n, content in enumerate(made[10:]):
        (aside / f"{n}.jpg").write_bytes(content)

    def move(most: int) -> None:
        """Moving needs no room, or a little, for the folder: what finds none stays for later."""
        for path in sorted(aside.iterdir())[:most]:
            with suppress(OSError):
                path.rename(farm.inbox / path.name)
            time.sleep(0.02)

    filler = threading.Thread(target=move, args=(100,))
    filler.start()
    with full(farm.home):
        filler.join()
        move(100)
        fill(farm.home)  # what was freed meanwhile
        move(100)
        time.sleep(5)
        said = reasons(farm, "watch_failed")
        inbox, taken = (len([*place.rglob("*.jpg")]) for place in (farm.inbox, farm.taken))
        print(
            f"\nfull: {inbox} wait, {taken} are taken, {len(farm.planned())} handed in, "
            f"{farm.items().total()} have lines; it said {len(said)} times why: {said[:1]}"
        )
    move(len(made))
    return said


# -- a share ---------------------------------------------------------------------------------


def test_a_share_is_polled_by_itself_and_a_drop_has_its_line_soon_after_it_settled(
    tmp_path: Path, cached_models: None
) -> None:
    """sshfs, told to keep no copy of folders: what others drop is then seen at the next look."""
    settle_s, poll_s = 1.0, 0.5
    below = tmp_path / "below"
    farm = Watched(tmp_path)
    with share_without_links(below, tmp_path / "home", "dir_cache=no,attr_timeout=0") as share:
        try:
            begun(farm, f"watch.settle_s: {settle_s}\nwatch.poll_s: {poll_s}\n")
            assert filesystem(share) == "fuse.sshfs"
            took = []
            for n in range(12):
                path = below / "inbox" / "detect" / f"{n}.jpg"
                path.write_bytes(small(n, tmp_path / "made"))
                line = below / farm.job().relative_to(share) / "chunks" / f"{n}.jsonl"
                took.append(wait_until(line.exists, 30))
            print(f"\ndrops on sshfs: {', '.join(f'{s:.2f}' for s in took)} s")
            farm.settled(10)
            assert set(farm.items().values()) == {1} and len(farm.items()) == 12
            assert min(took) >= settle_s, "it was told by the kernel"
            # A file is looked at up to a pause late, and seen to have held still as late again.
            assert statistics.median(took[2:]) < settle_s + poll_s + 1.0
            assert max(took[2:]) < settle_s + 2 * poll_s + 1.0
        finally:
            farm.close()


# -- the broker ------------------------------------------------------------------------------


def gone(brokers: ExitStack, place: Path, pid: int, away_s: float) -> Iterator[None]:
    """Stop the broker; one with the same address and state comes after a while."""
    brokers.close()
    begun_s = time.monotonic()
    yield
    time.sleep(away_s - (time.monotonic() - begun_s))
    brokers.enter_context(own_broker(place))


def frozen(brokers: ExitStack, place: Path, pid: int, away_s: float) -> Iterator[None]:
    """The broker takes calls, and answers none."""
    os.kill(pid, signal.SIGSTOP)
    begun_s = time.monotonic()
    try:
        yield
        time.sleep(away_s - (time.monotonic() - begun_s))
    finally:
        os.kill(pid, signal.SIGCONT)


Away = Callable[[ExitStack, Path, int, float], Iterator[None]]


@pytest.mark.parametrize("how", [gone, frozen])
def test_a_broker_that_is_away_for_a_while_costs_no_dropped_file(
    tmp_path: Path, cached_models: None, how: Away
) -> None:
    made = [small(n, tmp_path / "made") for n in range(55)]
    with ExitStack() as brokers:
        broker = brokers.enter_context(own_broker(tmp_path / "broker"))
        farm = Watched(tmp_path, {"FARM_BROKER_URL": broker.url, "FARM_LEASE_S": LEASE_S})
        try:
            begun(farm, SOON)
            drop(farm, made[:5], "before")
            farm.settled(30)
            with contextmanager(how)(brokers, tmp_path / "broker", broker.pid, AWAY_S):
                for n, content in enumerate(made[5:]):
                    (farm.inbox / f"while{n}.jpg").write_bytes(content)
                    time.sleep(0.3)
                planned, lines = len(farm.planned()) - 5, farm.items().total() - 5
                print(f"\nwhile it is away: {planned} handed in, {lines} lines")
            start = time.monotonic()
            farm.settled(60)
            print(f"all lines {time.monotonic() - start:.1f} s after it came back")
            assert farm.contents() == Counter(made)
            assert {line["status"] for line in farm.published()} == {"ok"}
        finally:
            farm.close()


# -- a lost plan ------------------------------------------------------------------------------


@pytest.mark.parametrize("forgotten", [False, True], ids=["broker knows", "broker forgot"])
def test_results_of_a_plan_that_was_lost_do_not_stand_for_other_files(
    tmp_path: Path, cached_models: None, forgotten: bool
) -> None:
    """A backup is copied file by file: the plan may be older than the results, as may a disk that
    lied about what it had written.
    """
    farm = Watched(tmp_path, {"FARM_LEASE_S": LEASE_S})
    made = [small(n, tmp_path / "made") for n in range(8)]
    try:
        begun(farm, SOON)
        for n in range(6):
            drop(farm, made[n : n + 1], f"b{n}")
            time.sleep(0.5)
        farm.settled(30)
        farm.ok("down")
        plan = farm.job() / "plan.jsonl"
        lines = plan.read_bytes().splitlines(keepends=True)
        plan.write_bytes(b"".join(lines[:-2]))
        if forgotten:
            shutil.rmtree(farm.state / "broker" / "appendonlydir")
        first_by_name = farm.taken / farm.job().name.removeprefix("watch-detect-") / "a.jpg"
        first_by_name.write_bytes(made[6])
        farm.up()
        drop(farm, made[7:], "c")
        farm.settled(60)
        assert farm.contents() == Counter(made)
        numbers = {line["item"]: line["i"] for line in farm.planned()}
        assert all(numbers[line["item"]] == line["i"] for line in farm.published())
    finally:
        farm.close()
