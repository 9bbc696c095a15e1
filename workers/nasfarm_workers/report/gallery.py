"""The most telling items to a gallery: small pictures, what was found drawn over them. Pure."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nasfarm.core.items import item_name
from nasfarm_workers.report.axes import colour
from nasfarm_workers.report.clocks import film_time, moment, wall_s
from nasfarm_workers.report.html import Words, joined, said, same, shown, times_of
from nasfarm_workers.report.labels import label
from nasfarm_workers.report.values import Shot
from nasfarm_workers.report.words import ENLARGE, NO_PICTURE, why_shown

MARKS = 60
"""So many boxes are drawn over one picture, the surest ones."""
FEW = 4
"""So many carry their names while the picture is small."""
TEXTS = 3
Colours = Mapping[str, str]
"""Label → the style's class, the same in charts and pictures."""


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """The most frequent labels first."""
    return {name: colour(n) for n, name in enumerate(labels)}


def gallery(shots: Sequence[Shot], colours: Colours) -> str:
    """The pictures, each of which a click shows as large as the window."""
    first = {shot.why: n for n, shot in reversed(list(enumerate(shots)))}
    figures = (
        # That a picture is the fullest is true of one of them.
        _figure(shot, colours, "" if shot.why == "most" and first["most"] != n else shot.why)
        for n, shot in enumerate(shots)
    )
    return f'<div class="shots">{"".join(figures)}</div>'


def picture_of(jpeg: bytes) -> str:
    """The address of a JPEG that is in the page itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _figure(shot: Shot, colours: Colours, why: str) -> str:
    record = shot.record
    width, height = record["width"], record["height"]
    name = shown(_name(record))
    seen = (
        f'<img src="{picture_of(shot.jpeg)}" alt="">'
        if shot.jpeg
        else f'<span class="none">{said(NO_PICTURE)}</span>'
    )
    ratio = width / max(1, height)
    few = "" if len(record.get("detections", ())) <= FEW else " many"
    return (
        f'<figure style="--r:{max(0.4, min(3.0, ratio)):.3f}">'
        f'<label class="shot{few}" style="--r:{ratio:.3f}">'
        f'<input type="checkbox"><span class="off">{said(ENLARGE)} {name}</span>'
        f'<span class="seen">{seen}{_marks(record, colours)}</span></label>'
        f"<figcaption>{_caption(record, why)}</figcaption></figure>"
    )


def _marks(record: Mapping[str, Any], colours: Colours) -> str:
    width, height = record["width"], record["height"]
    found = record.get("detections", ())[:MARKS]
    boxes = "".join(_box(one["box"], colours.get(one["label"], "c0")) for one in found)
    lines = "".join(
        f'<polygon points="{" ".join(f"{x:.0f},{y:.0f}" for x, y in text["polygon"])}" class="c1"/>'
        for text in record.get("texts", ())[:MARKS]
    )
    chips = "".join(_chip(one, width, height, colours) for one in found)
    if not boxes and not lines:
        return ""
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">'
        f'{boxes}{lines}</svg><span class="chips" aria-hidden="true">{chips}</span>'
    )


def _box(box: Sequence[float], kind: str) -> str:
    x1, y1, x2, y2 = box
    place = f'x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"'
    return f'<rect {place} class="rim"/><rect {place} class="{kind}"/>'


def _chip(one: Mapping[str, Any], width: int, height: int, colours: Colours) -> str:
    x1, y1, x2, _ = one["box"]
    top = 100 * max(0.0, y1 / height)
    side = f"left:{100 * max(0.0, x1 / width):.1f}%"
    if x1 > width / 2:  # words grow to the left there, and stay within the picture
        side = f"right:{100 * max(0.0, 1 - x2 / width):.1f}%"
    kind = colours.get(one["label"], "c0") + (" low" if top < 6 else "")
    return (
        f'<b class="{kind}" style="{side};top:{top:.1f}%">'
        f"{said(label(one['label']))} <small>{one['score']:.2f}</small></b>"
    )


def _caption(record: Mapping[str, Any], why: str) -> str:
    when = _when(record)
    told = [words for words in (why_shown(why), _found(record)) if words[0]]
    head = joined(told, (" · ", " · ")) if told else ("", "")
    return (
        (f"<strong>{said(head)}</strong>" if head[0] else "")
        + f'<span class="name"><bdi>{shown(_name(record))}</bdi></span>'
        + (f"<span>{said(when)}</span>" if when[0] else "")
    )


def _found(record: Mapping[str, Any]) -> Words:
    """What was found in one picture: `3 × person, 1 × dog`, a class, or the first texts."""
    if record.get("texts"):
        words = " / ".join(text["text"] for text in record["texts"][:TEXTS])
        return same(words if len(words) <= 90 else words[:89] + "…")
    if record.get("classes"):
        return label(record["classes"][0]["label"])
    counts = Counter(one["label"] for one in record.get("detections", ()))
    found = [times_of(times, label(name)) for name, times in counts.most_common(4)]
    return joined(found, (", ", "，")) if found else ("", "")


def _when(record: Mapping[str, Any]) -> Words:
    frame = record.get("frame")
    at_s = wall_s(record.get("taken_at", ""))
    if at_s is not None and not (frame and record.get("time_source") == "mtime"):
        return moment(at_s, seconds=frame is not None)
    return film_time(frame["seconds"]) if frame else ("", "")


def _name(record: Mapping[str, Any]) -> str:
    return item_name(record["item"], record.get("frame", {}).get("number"))
