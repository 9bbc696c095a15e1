"""Items that are frames of videos to those frames, decoded but not drawn yet; in one pass a video.

Frames are asked for in about their order. What lies between is decoded on the way, or jumped over
where a keyframe lies nearer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from nasfarm.core.items import Frame, Item
from nasfarm.core.lines import Fault
from nasfarm.errors import ImageError
from nasfarm.storage.video_file import Video, open_video
from nasfarm_workers.pixels import RGB, OpenFile, Shot

if TYPE_CHECKING:
    from av import VideoFrame

TRIES = 3
"""So often a read error of the medium is looked at again before the item gets its line."""

_BACK_S = (0.0, 2.0, 30.0, float("inf"))
"""A search may land behind its target, or on a keyframe whose first neighbours need what lies
before it: then it is made again from so much earlier."""

_LEAD_S = 2.0
"""A frame that is broken although so much before it was decoded is broken in the file."""


class Videos:
    """The frames of a chunk's videos, one video open at a time.

    open_file: an item's file, or the fault that keeps it. step: called for each frame that is
    decoded; what it raises ends the work.
    """

    def __init__(
        self,
        open_file: Callable[[Item], OpenFile | Fault],
        step: Callable[[], None],
        most_megapixels: float = 0,
    ) -> None:
        self._open_file = open_file
        self._step = step
        self._most_megapixels = most_megapixels
        self._name = ""
        self._film: _Film | None = None

    def take(self, item: Item) -> Shot | Fault:
        """The item's frame. Raises StorageError where its root is away, and what `step` raises."""
        for _ in range(TRIES):
            try:
                film = self._opened(item)
                return film if isinstance(film, Fault) else film.shot(item)
            except ImageError as error:
                return Fault(error.code, str(error))
            except OSError as error:
                self.close()
                fault = Fault("storage", f"the disk or share says: {error.strerror}")
        return fault

    def _opened(self, item: Item) -> _Film | Fault:
        if self._film is not None and self._name == item.item:
            return self._film
        self.close()
        opened = self._open_file(item)
        if isinstance(opened, Fault):
            return opened
        try:
            video = open_video(opened.file, item.item, self._most_megapixels)
        except BaseException:
            opened.file.close()
            raise
        self._film, self._name = _Film(opened, video, self._step, video.taken_at), item.item
        return self._film

    def close(self) -> None:
        """Let go of the open video, if there is one."""
        if self._film is not None:
            self._film.close()
        self._film, self._name = None, ""


@dataclass(slots=True)
class _Film:
    """An open video and where in it decoding stands.

    frames: those that come next; None before the first search. current: the one that came last,
    current_s when it is shown, number the item's that it was for, if it was for one. first_s: what
    came first after the last search. end_s: the last one that the file holds, where its end was
    seen.
    """

    opened: OpenFile
    video: Video
    step: Callable[[], None]
    taken_at: datetime | None
    frames: Iterator[VideoFrame] | None = None
    current: VideoFrame | None = None
    current_s: float = 0.0
    number: int | None = None
    first_s: float | None = None
    end_s: float | None = None

    def shot(self, item: Item) -> Shot | Fault:
        if item.frame is None:
            return Fault(
                "decode",
                f"{item.name}: was no whole video when it was handed in, and is one now; hand it "
                "in again.",
            )
        frame = self._frame(item.frame)
        if frame is None or frame.is_corrupt:
            why = "the file has changed since it was handed in" if self.opened.changed else (
                "the file is damaged there or ends before; copy it again"
            )  # fmt: skip
            return Fault("decode", f"{item.name}: cannot be decoded: {why}.")
        taken = self.taken_at and self.taken_at + timedelta(seconds=item.frame.seconds)
        return Shot(
            width=frame.width,
            height=frame.height,
            quarter_turns=round(frame.rotation / 90) % 4,
            drawn=lambda width, height: _drawn(frame, width, height),
            taken_at=taken.isoformat(timespec="milliseconds") if taken else "",
            changed=self.opened.changed,
        )

    def _frame(self, wanted: Frame) -> VideoFrame | None:
        """The frame shown at that very time; None where there is none."""
        if self.current is not None and self.current_s == wanted.seconds:
            return self.current
        if self.end_s is not None and wanted.seconds > self.end_s:
            return None
        if self._leads_to(wanted):
            found = self._decoded_to(wanted.seconds)
        else:
            found = self._searched(wanted.seconds)
        self.number = wanted.number if found is not None else None
        return found

    def _leads_to(self, wanted: Frame) -> bool:
        """Whether to decode on is the shortest way."""
        if self.frames is None or self.current is None or self.current_s > wanted.seconds:
            return False
        # The next one lies in the decoder already, as a rule.
        follows = self.number is not None and wanted.number == self.number + 1
        return follows or not self.video.keyframe_in(self.current_s, wanted.seconds)

    def _searched(self, seconds: float) -> VideoFrame | None:
        found = None
        for back_s in _BACK_S:
            self._search(seconds - back_s)
            found = self._decoded_to(seconds)
            if found is not None and not found.is_corrupt:
                break
            lead_s = _LEAD_S if found is not None else 0.0
            if self.first_s is not None and self.first_s <= seconds - lead_s:
                break
        return found

    def _search(self, seconds: float) -> None:
        try:
            self.video.seek(seconds)
        except ImageError:  # a file without an index: from its beginning on
            self.video.close()
            self.opened.file.seek(0)
            self.video = open_video(self.opened.file, self.opened.name)
        self.frames, self.current, self.first_s = self.video.frames(), None, None

    def _decoded_to(self, seconds: float) -> VideoFrame | None:
        """Decode until `seconds` have come: the frame of that very time, if it is there."""
        for frame in self.frames or ():
            self.step()
            if frame.pts is None:
                continue
            self.current, self.current_s = frame, self.video.seconds(frame.pts)
            if self.first_s is None:
                self.first_s = self.current_s
            if self.current_s >= seconds:
                return frame if self.current_s == seconds else None
        self.end_s = self.current_s if self.current is not None else self.end_s
        return None

    def close(self) -> None:
        self.video.close()
        self.opened.file.close()


def _drawn(frame: VideoFrame, width: int, height: int) -> RGB:
    drawn: Any = frame.to_ndarray(width=width, height=height, format="rgb24")
    return np.asarray(drawn, dtype=np.uint8)
