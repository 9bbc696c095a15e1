"""An open file to the video in it: its packets, its frames, when it was taken; by PyAV.

PyAV is loaded when a video is opened and not before: the producer side runs without it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

from nasfarm.core.items import shown_at
from nasfarm.errors import ImageError, MissingExtraError

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer
    from av.stream import Stream

_FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
"""What a file with a video's name may be. Play lists are not among them: they name other files and
addresses, which would then be opened."""

_BUFFER_BYTES = 256 * 2**10
_MADE = ("com.apple.quicktime.creationdate", "creation_time")
"""Where a container says when it was made; the first with the offset of the place."""

_FIRST_YEAR = 1990
"""No video is older. A camera whose clock was never set writes 1904 or 1970."""


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """An open video. `stream`: of its pictures; those of its sound are not looked at.

    time_base: so many seconds is a tick of that stream.
    """

    container: InputContainer
    stream: VideoStream
    time_base: Fraction

    @property
    def start(self) -> int:
        """The ticks of the stream's time base from which its seconds are counted."""
        return self.stream.start_time or 0

    @property
    def untimed(self) -> bool:
        """Whether it does not say when its frames are shown, as AVI: it has them in the order of
        decoding, at an even pace. The n-th that is shown is shown at the n-th packet's `dts`; the
        `pts` are FFmpeg's guess, which is wrong where frames change places.
        """
        return self.container.format.name == "avi"

    def seconds(self, ticks: int) -> float:
        """When the frame of those ticks is shown."""
        return shown_at(ticks - self.start, self.time_base)

    def ticks(self, seconds: float) -> int:
        """The last ticks that are shown at `seconds`, to the millisecond."""
        return self.start + int((max(0.0, seconds) + 0.0005) / self.time_base)

    @property
    def taken_at(self) -> datetime | None:
        """When its first frame was taken; None where it does not say, or says what cannot be."""
        for name in _MADE:
            with suppress(ValueError):
                made = datetime.fromisoformat(self.container.metadata.get(name, ""))
                if made.year >= _FIRST_YEAR:
                    return made if made.tzinfo else made.replace(tzinfo=UTC)
        return None

    def packets(self) -> Iterator[Packet[Stream]]:
        """Every packet of every stream to the file's end or its first damage; none is decoded.

        Raises OSError where the file cannot be read.
        """
        from av import FFmpegError

        with suppress(FFmpegError):
            yield from (packet for packet in self.container.demux() if packet.size)

    def ticks_of(self, packet: Packet[Stream]) -> int | None:
        """When a frame is shown: the packet's own, and of an untimed video that of its turn."""
        return packet.dts if self.untimed or packet.pts is None else packet.pts

    def frames(self) -> Iterator[VideoFrame]:
        """The frames from here on, in the order of showing, their `pts` as `ticks_of` has them.

        A damaged packet gives none. Raises OSError where the file cannot be read.
        """
        from av import FFmpegError

        packets = self.container.demux(self.stream)
        turns: deque[int | None] = deque()
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # a broken tail: what the decoder still holds is good
                packet = None
            more = packet is not None and bool(packet.size)
            found: list[VideoFrame] = []
            with suppress(FFmpegError, EOFError):
                found = self.stream.codec_context.decode(packet)
                turns.extend((packet.dts,) if packet is not None and more else ())
            yield from self._timed(found, turns, more) if self.untimed else found
            if not more:
                return

    def _timed(
        self, frames: list[VideoFrame], turns: deque[int | None], more: bool
    ) -> Iterator[VideoFrame]:
        """Give each frame that a packet led to its turn: a decoder keeps so many back."""
        # More turns than that wait where a search landed in the middle of a group: pictures that
        # need what lies before it were left out.
        while len(turns) > self.stream.codec_context.reorder_depth + more:
            turns.popleft()
        for frame in frames:
            frame.pts = turns.popleft() if turns else None
            yield frame

    def seek(self, seconds: float) -> None:
        """Go to the keyframe from which that moment can be decoded; where it is not known, near it.

        Raises ImageError: in this file nothing can be found but from its beginning on.
        """
        from av import FFmpegError

        try:
            self.container.seek(self.ticks(seconds), stream=self.stream)
        except FFmpegError as error:
            raise ImageError(f"cannot be searched ({_reason(error)})", code="decode") from error

    def keyframe_in(self, after_s: float, until_s: float) -> bool:
        """Whether a keyframe is known to lie between two moments."""
        index = self.stream.index_entries
        if not len(index):
            return False
        # An index has times of decoding, which begin so much before those of showing.
        ahead = self.start - index[0].timestamp
        place = index.search_timestamp(self.ticks(until_s) - ahead)
        return place >= 0 and index[place].timestamp > self.ticks(after_s)

    def close(self) -> None:
        self.container.close()


def open_video(file: BinaryIO, name: str, most_megapixels: float = 0) -> Video:
    """The video in a file, which the caller opened and closes. `name` begins what errors say.

    most_megapixels: larger pictures are refused; 0: whatever size they have.
    Raises ImageError (`decode`, `too_large`) for what is no such video, MissingExtraError without
    PyAV, OSError where the file cannot be read.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(
            f"{name}: videos are read by PyAV, which is not installed here. Install it with: "
            "pip install 'nasfarm[worker]'"
        ) from error
    try:
        container = av.open(
            file, "r", container_options={"format_whitelist": _FORMATS}, buffer_size=_BUFFER_BYTES,
            metadata_errors="replace",  # titles are in whatever a program took them for
        )  # fmt: skip
    except (av.FFmpegError, EOFError) as error:
        raise ImageError(f"{name}: is no whole video ({_reason(error)})", code="decode") from error
    video = container.streams.best("video")
    if not isinstance(video, av.VideoStream) or not video.codec_context or not video.time_base:
        container.close()
        raise ImageError(f"{name}: holds no pictures that can be read", code="decode")
    decoder = video.codec_context
    decoder.thread_count = 1  # a worker has its core, and the next core another worker
    if most_megapixels:
        if decoder.width * decoder.height > most_megapixels * 1e6:
            container.close()
            raise ImageError(
                f"{name}: its pictures have more than {most_megapixels:g} megapixels; give the "
                "farm a smaller copy.",
                code="too_large",
            )
        decoder.options = {"max_pixels": str(int(most_megapixels * 1e6))}  # also of later frames
    return Video(container, video, video.time_base)


def _reason(error: Exception) -> str:
    """The library's own words, without the file's path."""
    return str(getattr(error, "strerror", None) or type(error).__name__)
