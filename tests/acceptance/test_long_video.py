"""A video of two hours: its frames are counted quickly, and it is never in memory."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import av

from films import film
from nasfarm.core.items import Found, Frame
from nasfarm.intake.videos import frames


def test_a_long_video_is_counted_in_seconds_and_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    two_hours(path)
    tracemalloc.start()
    begun = time.perf_counter()
    told = 0
    for one in frames(Found("photos:long.mp4", 1, 1), str(path)):
        told, last = told + 1, one.frame
    took_s, (_, most) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{told} frames in {took_s:.1f} s, {most / 2**20:.1f} MB")
    assert (told, last) == (180_000, Frame(179_999, 7199.96))
    assert took_s < 20
    assert most < 2 * 2**20


def two_hours(path: Path) -> None:
    """180,000 frames, 25 a second, made of one and the same small picture."""
    short = film(path.with_name("short.mp4"), 1, codec="mjpeg")
    with av.open(str(short)) as source, av.open(str(path), "w") as target:
        [packet] = [each for each in source.demux(video=0) if each.size]
        stream = target.add_stream_from_template(source.streams.video[0])
        content = bytes(packet)
        for number in range(180_000):
            again = av.Packet(content)
            again.stream, again.time_base = stream, packet.time_base
            again.pts = again.dts = number * packet.duration
            again.duration = packet.duration  # the last one's too, or it is cut away
            again.is_keyframe = True
            target.mux(again)
