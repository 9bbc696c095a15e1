"""Videos that tests hand in: each frame shows its own number, so that a wrong one is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

BITS, BAR, HEIGHT = 12, 16, 48
WIDTH = BITS * BAR


def numbered(number: int) -> NDArray[np.uint8]:
    """(48, 192, 3): a bar for each bit of the number, white for 1, the highest on the left."""
    bits = [number >> bit & 1 for bit in reversed(range(BITS))]
    row = np.repeat(np.array(bits, dtype=np.uint8) * 255, BAR)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (HEIGHT, WIDTH, 3)))


def number_in(pixels: NDArray[np.uint8]) -> int:
    """The number that such a picture shows, in whatever size."""
    height, width = pixels.shape[:2]
    middles = [round((bit + 0.5) * width / BITS) for bit in range(BITS)]
    return int("".join(str(int(pixels[height // 2, x].mean() > 127)) for x in middles), 2)


def film(
    path: Path,
    count: int = 60,
    rate: int = 25,
    *,
    codec: str = "mpeg4",
    keyframe_each: int = 12,
    between: int = 0,
    times_ms: Sequence[int] = (),
    options: Mapping[str, str] = {},
    header: Mapping[str, str] = {},
    metadata: Mapping[str, str] = {},
    shown: Callable[[int], NDArray[np.uint8]] = numbered,
) -> Path:
    """A video of `count` pictures; keyframe_each: so many frames apart; between: B-frames at most.

    times_ms: when each frame is shown, instead of at an even `rate`. options: the encoder's.
    header: the container's. metadata: what the container says of itself.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=dict(header)) as container:
        container.metadata.update(metadata)
        stream: Any = container.add_stream(codec, rate=rate, options=dict(options))
        first = shown(0)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = keyframe_each
        stream.codec_context.max_b_frames = between
        stream.codec_context.time_base = Fraction(1, 1000) if times_ms else Fraction(1, rate)
        for number, when in enumerate(times_ms or range(count)):
            frame = av.VideoFrame.from_ndarray(shown(number), format="rgb24")
            frame.pts, frame.time_base = when, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def in_sequence(path: Path, wanted: Iterable[int] = ()) -> dict[int, NDArray[np.uint8]]:
    """The frames of a video as a player shows them, decoded from the first to the last.

    wanted: their numbers; without any, all of them.
    """
    numbers = set(wanted)
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return {
            number: frame.to_ndarray(format="rgb24")
            for number, frame in enumerate(container.decode(video=0))
            if not numbers or number in numbers
        }


def laid_on_its_side(path: Path) -> None:
    """Have an MP4 say that it is to be turned by 90° to the right, as phones do held upright."""
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd") + 4 + 40  # its matrix (ISO/IEC 14496-12, 8.3.2)
    turned = (0, 0x10000, 0, -0x10000, 0, 0, HEIGHT << 16, 0, 0x40000000)
    content[header : header + 36] = b"".join(n.to_bytes(4, "big", signed=True) for n in turned)
    path.write_bytes(content)
