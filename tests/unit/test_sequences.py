"""Which picture follows which: frames of videos, stills of cameras, and what is neither."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from nasfarm_workers.recipes import sequences
from nasfarm_workers.recipes.sequences import (
    Moment,
    Sequences,
    clock_text,
    clock_time_s,
    source_of,
)
from resultlines import failed, frames, still


def moments(lines: Iterable[dict[str, Any]], longest_s: float) -> list[Moment[object]]:
    known: Sequences[object] = Sequences()
    found = (known.moment(line, longest_s, object) for line in lines)
    return [moment for moment in found if moment]


def steps(lines: Iterable[dict[str, Any]], longest_s: float = 2.0) -> list[float | None]:
    """The step that leads to each picture; None where a sequence begins."""
    return [moment.passed_s for moment in moments(lines, longest_s)]


def at(second: int, i: int, folder: str = "") -> dict[str, Any]:
    return still(i, folder=folder, at=f"2026-05-04T12:{second // 60:02d}:{second % 60:02d}")


def test_frames_of_a_video_follow_each_other_by_its_own_seconds() -> None:
    assert steps(frames([], [], [], every_s=0.04)) == [None, 0.04, 0.04]
    two = [*frames([], [], film="a.mp4"), *frames([], [], first=2, film="b.mp4")]
    assert steps(two) == [None, 1.0, None, 1.0]


def test_a_frame_that_failed_makes_the_step_longer() -> None:
    first, second, third = frames([], [], [], every_s=0.5)
    assert steps([first, failed(second["i"]), third]) == [None, 1.0]


def test_stills_soon_after_another_are_a_sequence_and_others_are_not() -> None:
    shots = [at(second, i) for i, second in enumerate((0, 1, 1, 3, 6, 7))]
    assert steps(shots) == [None, 1.0, 0.0, 2.0, None, 1.0]
    assert steps(shots, 0.5) == [None, None, 0.0, None, None, None]
    assert steps(shots, 0) == [None] * 6
    assert steps(frames([], [], every_s=2.0), 0) == [None, None]


def test_time_that_goes_back_begins_a_sequence() -> None:
    assert steps([at(5, 0), at(6, 1), at(5, 2), at(6, 3)]) == [None, 1.0, None, 1.0]


def test_stills_of_two_cameras_that_come_mixed_are_told_apart_by_their_folders() -> None:
    mixed = [at(i // 2, i, folder="door/" if i % 2 else "shop/") for i in range(6)]
    states = [moment.state for moment in moments(mixed, 2.0)]
    assert steps(mixed) == [None, None, 1.0, 1.0, 1.0, 1.0]
    assert states[0] is states[2] is states[4]
    assert states[1] is states[3] is states[5]
    assert states[0] is not states[1]


def test_the_same_content_as_another_file_is_no_picture_of_its_own() -> None:
    doubled = {"i": 1, "item": "photos:b.jpg", "status": "ok", "same_as": "photos:0000.jpg"}
    assert steps([at(0, 0), doubled, at(1, 2)]) == [None, 1.0]


def test_only_so_many_cameras_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "MOST_SOURCES", 2)
    mixed = [at(i // 3, i, folder=f"{i % 3}/") for i in range(6)]
    assert steps(mixed) == [None] * 6
    assert steps(mixed[:2] + mixed[3:5]) == [None, None, 1.0, 1.0]


@pytest.mark.parametrize(
    ("item", "source"),
    [
        ("photos:a.jpg", "photos:"),
        ("photos:cam/1/a.jpg", "photos:cam/1"),
        ("photos:x:y", "photos:"),
    ],
)
def test_a_still_belongs_to_its_folder(item: str, source: str) -> None:
    assert source_of({"item": item}) == source


@pytest.mark.parametrize(
    ("taken_at", "clock"),
    [
        ("2026-05-04T12:00:01", "2026-05-04T12:00:01"),
        ("2026-05-04T12:00:01.250+08:00", "2026-05-04T12:00:01"),
        ("1969-12-31T23:59:59+00:00", "1969-12-31T23:59:59"),
    ],
)
def test_noon_is_noon_where_the_camera_stands(taken_at: str, clock: str) -> None:
    assert clock_text(clock_time_s({"taken_at": taken_at})) == clock
