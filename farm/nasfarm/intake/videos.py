"""A video's file to the frames of it that become items, in the order in which they are shown.

No picture is decoded: what is shown when stands in the container's packets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from nasfarm.core.items import Found, Frame
from nasfarm.errors import ImageError, StorageError
from nasfarm.storage.video_file import Video, open_video

_REORDERED = 64
"""Packets come in the order of decoding; a frame is shown at most so many places from there (no
codec has more than 32)."""

_SHORT_S = 0.5
"""A container may say that it lasts so much longer than it does."""

_LEAST_LOST, _MOST_LOST = 1000, 1_000_000
"""A header that promises far more frames than the file has shown, so many at least, or more than
those of ten hours, is damaged itself."""


def frames(found: Found, path: str, every_s: float = 0.0) -> Iterator[Found]:
    """The items of a video: a Found for each frame, or for the first in each `every_s` seconds.

    Frames which the file's header promises and its broken tail lacks are among them, and will get
    their error lines. What cannot be opened as a video is one item without a frame, whose line will
    say why. However long the video, only a few packets are in memory.
    Raises MissingExtraError where PyAV is not installed; StorageError where reading breaks off.
    """
    some = False
    try:
        with open(path, "rb", buffering=0) as file:
            video = open_video(file, found.item)
            try:
                for frame in _chosen(_times(video), every_s):
                    some = True
                    yield Found(found.item, found.bytes, found.mtime_ns, frame)
            finally:
                video.close()
    except ImageError:
        pass
    except OSError as error:
        if some:
            raise StorageError(f"{path}: {error.strerror}. Check its disk or share.") from error
    if not some:
        yield found


def _chosen(times: Iterable[float], every_s: float) -> Iterator[Frame]:
    """Of frames shown at `times`, ascending, the first in each `every_s` seconds; 0: all."""
    taken = -1
    for number, seconds in enumerate(times):
        # A little is added: 0.3 / 0.1 is 2.9999999999999996.
        turn = int(seconds / every_s + 1e-6) if every_s else number
        if turn > taken:
            taken = turn
            yield Frame(number, seconds)


@dataclass(slots=True)
class _Seen:
    """What went by of a video: packets and frames of its pictures, and the ticks of those frames.

    ends: of every stream, of sound too, the ticks at which its last packet is over.
    """

    ends: dict[int, int] = field(default_factory=dict)
    packets: int = 0
    shown: int = 0
    first: int = 0
    last: int = 0


def _times(video: Video) -> Iterator[float]:
    """When each frame is shown, in seconds: of the frames that are there, then of the lost ones."""
    seen = _Seen()
    for ticks in _ordered(_ticks(video, seen)):
        seen.first = seen.first if seen.shown else ticks
        seen.last = ticks
        seen.shown += 1
        yield video.seconds(ticks)
    if seen.first == seen.last:
        return
    step = (seen.last - seen.first) / (seen.shown - 1)
    for lost in range(_promised(video, seen, step)):
        yield video.seconds(round(seen.last + step * (lost + 1)))


def _ticks(video: Video, seen: _Seen) -> Iterator[int]:
    """When the picture of each packet is shown, in the order of packets."""
    for packet in video.packets():
        when = video.ticks_of(packet)
        if when is None:
            continue
        stream, over = packet.stream_index, when + (packet.duration or 0)
        seen.ends[stream] = max(over, seen.ends.get(stream, over))
        if stream == video.stream.index:
            seen.packets += 1
            if not packet.is_discard:  # cut away by an edit list, never shown
                yield when


def _ordered(ticks: Iterable[int]) -> Iterator[int]:
    waiting: list[int] = []
    for each in ticks:
        heappush(waiting, each)
        if len(waiting) > _REORDERED:
            yield heappop(waiting)
    while waiting:
        yield heappop(waiting)


def _promised(video: Video, seen: _Seen, step: float) -> int:
    """How many more frames the container's header tells of than there were packets.

    step: so many ticks from frame to frame, above 0.
    """
    kind = video.container.format.name
    if "mov" in kind:  # its table has an entry for every packet
        return max(0, len(video.stream.index_entries) - seen.packets)
    if kind == "avi":  # its ticks are numbers of frames, also of such as were left out
        end = video.start + video.stream.frames
    else:  # Matroska's header has the length of all
        length_s = (video.container.duration or 0) / 1e6
        streams = video.container.streams
        end_s = max(float(over * (streams[i].time_base or 0)) for i, over in seen.ends.items())
        short = "matroska" in kind and length_s > end_s + _SHORT_S
        end = video.ticks(length_s) if short else 0
    lost = max(0, round((end - seen.last) / step) - 1)
    return min(lost, _LEAST_LOST + 100 * seen.packets, _MOST_LOST)
