"""Reading ahead: every file once, handed out in any order, and a slow share hidden."""

from __future__ import annotations

import threading
import time

import pytest

from nasfarm.core.items import Item
from nasfarm.core.lines import Fault
from nasfarm.errors import StorageError
from nasfarm_workers.pixels import Blob
from nasfarm_workers.runtime.read import AHEAD, AHEAD_BYTES, READERS, SLOW_S, Ahead, Pace


def items(count: int, size: int = 1000) -> list[Item]:
    return [Item(i, f"photos:{i}.jpg", size, 0) for i in range(count)]


class Share:
    """Where files come from; it notes what was asked for, and how many at once."""

    def __init__(self, pause_s: float = 0) -> None:
        self.asked: list[int] = []
        self.pause_s = pause_s
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, item: Item) -> Blob | Fault:
        with self._lock:
            self.asked.append(item.i)
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.pause_s)
        with self._lock:
            self.now -= 1
        if item.item.endswith("away.jpg"):
            raise StorageError("the root is away")
        return Blob(str(item.i).encode())


@pytest.mark.parametrize("step", [1, -1], ids=["in order", "backwards"])
def test_every_file_is_read_once_and_handed_out(step: int) -> None:
    share, wanted = Share(), items(100)
    ahead = Ahead(wanted, share, Pace())
    found = [ahead.take(item) for item in wanted[::step]]
    ahead.close()
    contents = [one.content for one in found if isinstance(one, Blob)]
    assert contents == [str(item.i).encode() for item in wanted[::step]]
    assert set(share.asked) == set(range(100))


def test_a_file_that_is_asked_for_again_is_read_again() -> None:
    share, [only] = Share(), items(1)
    ahead = Ahead([only], share, Pace())
    ahead.take(only)
    ahead.take(only)
    ahead.close()
    assert share.asked == [0, 0]


def test_reads_wait_for_the_share_together() -> None:
    share, wanted = Share(pause_s=0.02), items(64)
    ahead = Ahead(wanted, share, Pace())
    begun = time.monotonic()
    for item in wanted:
        ahead.take(item)
    took_s = time.monotonic() - begun
    ahead.close()
    assert share.most == READERS
    assert took_s < 0.5 * 64 * share.pause_s


def test_a_chunk_after_slow_files_is_read_ahead_from_its_first_file() -> None:
    share, wanted, pace = Share(pause_s=100 * SLOW_S), items(READERS), Pace(slow=True)
    ahead = Ahead(wanted, share, pace)
    ahead.take(wanted[0])
    ahead.close()
    assert share.most == READERS
    assert pace.slow


def test_reading_ahead_ends_with_a_chunk_that_begins_quickly() -> None:
    share, wanted, pace = Share(), items(1), Pace(slow=True)
    ahead = Ahead(wanted, share, pace)
    ahead.take(wanted[0])
    ahead.close()
    assert not pace.slow


@pytest.mark.parametrize(
    ("size", "most"),
    [
        pytest.param(1000, AHEAD, id="small files"),
        pytest.param(AHEAD_BYTES // 3, 3, id="large files"),
        pytest.param(AHEAD_BYTES * 2, 1, id="one file above the limit"),
    ],
)
def test_what_is_read_ahead_is_bounded(size: int, most: int) -> None:
    share, wanted = Share(), items(100, size)
    ahead = Ahead(wanted, share, Pace())
    ahead.take(wanted[0])
    ahead.close()
    assert len(share.asked) <= most


def test_a_root_that_goes_away_is_told_where_the_file_is_wanted() -> None:
    away = Item(1, "photos:away.jpg", 1, 0)
    first, *_ = items(1)
    ahead = Ahead([first, away], Share(), Pace())
    assert isinstance(ahead.take(first), Blob)
    with pytest.raises(StorageError, match="away"):
        ahead.take(away)
    ahead.close()
