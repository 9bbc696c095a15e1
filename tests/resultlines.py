"""Result lines, as JSON documents, that reduces are fed with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nasfarm.core.recipes import ParamValue, ResolvedRecipe, Shapes

WIDTH, HEIGHT = 200, 100


def recipe(
    reduce: str, zones: Shapes | None = None, lines: Shapes | None = None, **params: ParamValue
) -> ResolvedRecipe:
    """A recipe that nothing but its reduce is asked for."""
    return ResolvedRecipe("any", "detect", (), params, 16, 0, reduce, zones or {}, lines or {})


def thing(x: float, y: float, *zones: str, label: str = "person") -> dict[str, Any]:
    """Something of 10 x 20 pixels whose foot point is (x, y), 0..1."""
    foot_x, foot_y = x * WIDTH, y * HEIGHT
    box = [foot_x - 5, foot_y - 20, foot_x + 5, foot_y]
    found = {"label": label, "class_id": 0, "score": 0.9, "box": box}
    return found | ({"zones": list(zones)} if zones else {})


def still(i: int, *things: dict[str, Any], folder: str = "", at: str = "") -> dict[str, Any]:
    """A picture that is a file."""
    taken = {"taken_at": at, "time_source": "exif"} if at else {}
    return {
        "i": i, "item": f"photos:{folder}{i:04d}.jpg", "status": "ok", "width": WIDTH,
        "height": HEIGHT, "model": "m@1/int8", **taken, "detections": list(things),
    }  # fmt: skip


def frames(
    *shown: Sequence[dict[str, Any]], every_s: float = 1.0, first: int = 0, film: str = "a.mp4"
) -> Iterator[dict[str, Any]]:
    """The frames of a video, one so many seconds after the other; what each shows."""
    for number, things in enumerate(shown):
        frame = {"number": number, "seconds": round(number * every_s, 3)}
        line = still(
            first + number, *things, at=f"2026-05-04T12:{number // 60:02d}:{number % 60:02d}"
        )
        yield line | {"item": f"photos:{film}", "frame": frame}


def failed(i: int) -> dict[str, Any]:
    """A picture that could not be read."""
    error = {"code": "decode", "message": "it is cut off"}
    return {"i": i, "item": f"photos:{i:04d}.jpg", "status": "error", "error": error}
