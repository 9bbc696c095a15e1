"""A rolling job's refresh goes on where the last one was, and says what one from the start says."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from nasfarm.core import wire
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm_workers.checkpoint import SoFar, at_the_start, keep, taken_up, taking_in
from nasfarm_workers.recipes.reduces import reduced_by
from resultlines import failed, frames, recipe, still, thing

HALF = {"left": ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))}
GATE = {"gate": ((0.5, 0.0), (0.5, 1.0))}
RECIPES = [
    recipe("found"),
    recipe("alerts", HALF, alert_count=2, alert_zone="left"),
    recipe("heatmap", HALF, longest=5.0),
    recipe("people_count", HALF, GATE, step=2.0),
    recipe("vehicle_count", HALF, GATE),
]

HEAT = recipe("heatmap")


def day(chance: random.Random) -> list[dict[str, Any]]:
    """Two cameras' stills a second apart, three videos, and what failed or is no picture."""
    shown = [walkers(n / 40) for n in range(80)]
    lines: list[dict[str, Any]] = []
    for n in range(60):
        at = f"2026-05-04T12:{n // 60:02d}:{n % 60:02d}"
        lines.append(still(0, *walkers(n / 30), folder=f"{n % 2}/", at=at if n % 7 else ""))
    for film in ("a.mp4", "b.mp4", "c.mp4"):
        lines += frames(*shown, every_s=chance.choice((0.1, 0.4)), film=film)
    lines += [failed(0), failed(0)]
    lines.append({"i": 0, "item": "photos:x.jpg", "status": "ok", "same_as": "photos:0.jpg"})
    chance.shuffle(cut := [lines[n : n + 25] for n in range(0, len(lines), 25)])
    return [line | {"i": i} for i, line in enumerate(line for part in cut for line in part)]


def walkers(part: float) -> list[dict[str, Any]]:
    zones = ("left",) if part < 0.5 else ()
    return [thing(0.1 + 0.8 * part % 1, 0.6, *zones), thing(0.3, 0.9, "left", label="car")]


def timed(line: dict[str, Any]) -> dict[str, Any]:
    """Every picture that was looked at has a time in real lines."""
    taken = {"taken_at": "2026-05-04T11:00:00", "time_source": "mtime"}
    return line if "width" not in line else taken | line


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(wire.encode(line) + b"\n" for line in lines))
    return path


def said(by: ResolvedRecipe, results: Path, so_far: SoFar[Any], keep: Path | None = None) -> bytes:
    """All that a summary and a report are made of."""
    reduced = reduced_by(by, taking_in(results, so_far, keep), so_far.reducing)
    width, steps = so_far.survey.clock.steps()
    return wire.encode([reduced, so_far.counts, width, steps, so_far.survey.telling(24)])


@pytest.mark.parametrize("by", RECIPES, ids=lambda by: by.reduce)
def test_put_down_anywhere_and_taken_up_again_the_bytes_are_the_same(
    by: ResolvedRecipe, tmp_path: Path, chance: random.Random
) -> None:
    lines = [timed(line) for line in day(chance)]
    whole, checkpoint = written(tmp_path / "whole.jsonl", lines), tmp_path / "checkpoint"
    expected = said(by, whole, at_the_start(by))
    for cut in (0, 1, *sorted(chance.sample(range(2, len(lines)), 12)), len(lines)):
        part = written(tmp_path / "part.jsonl", lines[:cut])
        said(by, part, at_the_start(by), checkpoint)
        again = taken_up(checkpoint, by, whole)
        assert (again.items, again.offset) == (cut, part.stat().st_size)
        assert said(by, whole, again) == expected


def test_it_is_made_where_the_first_item_is_missing(tmp_path: Path) -> None:
    by, path = recipe("people_count"), tmp_path / "checkpoint"
    lines = [timed(still(i, thing(0.5, 0.5))) for i in range(10)]
    results, so_far = written(tmp_path / "some.jsonl", [*lines[:4], *lines[6:]]), at_the_start(by)
    said(by, results, so_far, path)
    assert so_far.counts.status["ok"] == 8
    kept = taken_up(path, by, written(tmp_path / "all.jsonl", lines))
    assert (kept.items, kept.counts.status["ok"]) == (4, 4)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The checkpoint of five pictures in which people stood."""
    lines = [timed(still(i, thing(0.5, 0.5))) for i in range(5)]
    said(HEAT, written(tmp_path / "some.jsonl", lines), at_the_start(HEAT), tmp_path / "kept")
    assert taken_up(tmp_path / "kept", HEAT, tmp_path / "some.jsonl").items == 5
    return tmp_path / "kept"


def test_where_a_line_has_changed_since_it_is_none(kept: Path) -> None:
    """As after a retry, a restored file, or the refresh of a release that knows no checkpoint."""
    results = kept.with_name("some.jsonl")
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert taken_up(kept, HEAT, written(results, [*lines, lines[0] | {"i": 5}])).items == 5
    lines[2]["detections"] = []
    assert taken_up(kept, HEAT, written(results, lines)).items == 0
    assert taken_up(kept, HEAT, written(results, lines[:2])).items == 0
    assert taken_up(kept, recipe("people_count"), results).items == 0


def test_a_single_wrong_bit_makes_it_none(kept: Path, chance: random.Random) -> None:
    whole = bytearray(kept.read_bytes())
    for place in chance.sample(range(len(whole)), 40):
        wrong = whole.copy()
        wrong[place] ^= 1 << chance.randrange(8)
        kept.write_bytes(wrong)
        assert taken_up(kept, HEAT, kept.with_name("some.jsonl")).items == 0


def test_another_releases_is_none(kept: Path) -> None:
    results = kept.with_name("some.jsonl")
    so_far = taken_up(kept, HEAT, results)
    so_far.release = "0.0.1"
    keep(so_far, so_far.digest, kept)
    assert taken_up(kept, HEAT, results).items == 0


@pytest.mark.parametrize("content", [b"", b"\x81", b"not ours" * 9, None])
def test_what_cannot_be_read_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "checkpoint"
    if content is not None:
        path.write_bytes(content)
    assert taken_up(path, HEAT, written(tmp_path / "none.jsonl", [])).items == 0
