"""Result lines and a recipe's notice rules to the events that receivers are told of. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from nasfarm.core.items import HOME_ROOT
from nasfarm.core.lines import FAINT
from nasfarm.core.notices import Condition, NoticeRule
from nasfarm.core.places import foot, in_polygon
from nasfarm.core.recipes import Point

ResultLine = Mapping[str, Any]
"""A published line, as its JSON document."""

TAKEN = "inbox/.taken/"
"""Where dropped files lie, below the home: `inbox/.taken/<recipe>/<date>/…`."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose lines: a chunk of a rolling job, and when it was published (local time)."""

    recipe: str
    job_id: str
    chunk: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """What one rule says of one item.

    id: the same whoever makes it and however often, so that receivers can drop doubles.
    labels: how often what matched was seen. score: the highest of it; None without any.
    found_at: when the line was published, ISO 8601 with offset. frame: number, of a video.
    """

    id: str
    recipe: str
    rule: str
    job_id: str
    item: str
    i: int
    text: str
    found_at: str
    labels: Mapping[str, int] = field(default_factory=dict)
    score: float | None = None
    count: int = 0
    verdict: str = ""
    error: str = ""
    taken_at: str = ""
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class _Match:
    """What of a line met a condition."""

    things: Sequence[Mapping[str, Any]] = ()
    verdict: str = ""
    error: str = ""
    message: str = ""

    @property
    def labels(self) -> Mapping[str, int]:
        named = Counter(_name_of(thing) for thing in self.things)
        return {name: named[name] for name in sorted(named) if name}

    @property
    def score(self) -> float | None:
        return max((float(thing.get("score", 0)) for thing in self.things), default=None)


def events_of(
    rules: Sequence[NoticeRule],
    lines: Iterable[ResultLine],
    source: Source,
    cooled: Mapping[str, float],
) -> tuple[list[Event], dict[str, float]]:
    """The events of one chunk, in the order of its lines, then of the rules.

    cooled: rule and folder → when the last event of both was found, in seconds since 1970. It comes
    back with what this chunk adds, and without what no longer matters. Quiet hours and cooldown go
    by the chunk's time, not by when a receiver answers: the same events come out after a restart,
    on another machine, and after an hour in which nobody could be told.
    """
    at_s = source.at.timestamp()
    awake = [rule for rule in rules if not _is_quiet(rule, source.at)]
    last = dict(cooled)
    found = []
    for line in lines:
        for rule in awake:
            match = matched(rule.when, line)
            if match is not None and _may_tell(rule, line, at_s, last):
                found.append(_event(rule, line, match, source))
    longest_s = {rule.name: rule.cooldown_s for rule in rules}
    fresh = {
        key: moment
        for key, moment in last.items()
        if abs(at_s - moment) < longest_s.get(key.partition("/")[0], 0)
    }
    return found, fresh


def _is_quiet(rule: NoticeRule, at: datetime) -> bool:
    return rule.quiet is not None and rule.quiet.covers(60 * at.hour + at.minute)


def _may_tell(rule: NoticeRule, line: ResultLine, at_s: float, last: dict[str, float]) -> bool:
    """Whether the cooldown is over; then it begins again."""
    if not rule.cooldown_s:
        return True
    key = f"{rule.name}/{camera_folder(line['item'])}"
    # Either way round: a clock that was set back must not silence a camera until it catches up.
    if abs(at_s - last.get(key, float("-inf"))) < rule.cooldown_s:
        return False
    last[key] = at_s
    return True


def matched(when: Condition, line: ResultLine) -> _Match | None:
    """What of a line meets the condition; None where it does not."""
    if line["status"] == "error":
        fault = line["error"]
        return _Match(error=fault["code"], message=fault["message"]) if when.error else None
    if when.error:
        return None
    verdict = next((v for v in _verdicts(line) if v.casefold() in when.verdicts), "")
    if when.verdicts and not verdict:
        return None
    things = [thing for thing in _things(line) if _fits(thing, when, line)] if when.count else []
    return _Match(things, verdict) if len(things) >= when.count else None


def _things(line: ResultLine) -> Iterator[Mapping[str, Any]]:
    """Whatever a line lists by label or text: detections, classes, texts, plates, …"""
    for name, value in line.items():
        if isinstance(value, list) and name != FAINT:
            yield from (
                one for one in value if isinstance(one, dict) and ("label" in one or "text" in one)
            )


def _fits(thing: Mapping[str, Any], when: Condition, line: ResultLine) -> bool:
    return (
        (not when.labels or str(thing.get("label", "")).casefold() in when.labels)
        and (not when.text or when.text in str(thing.get("text", "")).casefold())
        and thing.get("score", 0) >= when.score
        and (not when.zone or _stands_in(thing, when.zone, line))
    )


def _verdicts(line: ResultLine) -> Iterator[str]:
    for judged in (line, line.get("anomaly"), *line.get("parts", ())):
        if isinstance(judged, Mapping) and isinstance(judged.get("verdict"), str):
            yield judged["verdict"]


def _stands_in(thing: Mapping[str, Any], zone: Sequence[Point], line: ResultLine) -> bool:
    if "box" in thing:
        box = thing["box"]
    elif "polygon" in thing:
        xs, ys = zip(*thing["polygon"], strict=True)
        box = (min(xs), min(ys), max(xs), max(ys))
    else:
        return False  # it is said of the whole picture
    return in_polygon(foot(box, line["width"], line["height"]), zone)


# -- what is said of it ----------------------------------------------------------------------


def _event(rule: NoticeRule, line: ResultLine, match: _Match, source: Source) -> Event:
    return Event(
        id=event_id(source, line["i"], rule.name),
        recipe=source.recipe,
        rule=rule.name,
        job_id=source.job_id,
        item=line["item"],
        i=line["i"],
        text=_sentence(line, match),
        found_at=source.at.isoformat(timespec="seconds"),
        labels=match.labels,
        score=match.score,
        count=len(match.things),
        verdict=match.verdict,
        error=match.error,
        taken_at=line.get("taken_at", ""),
        frame=line["frame"]["number"] if "frame" in line else None,
    )


def event_id(source: Source, i: int, rule: str) -> str:
    """32 hex digits. An item is in one chunk of each generation, and a chunk never changes."""
    named = "\0".join((source.job_id, str(i), str(source.chunk), rule))
    return hashlib.blake2b(named.encode(), digest_size=16).hexdigest()


def _sentence(line: ResultLine, match: _Match) -> str:
    where = shown_path(line["item"])
    if "frame" in line:
        where += f", frame {line['frame']['number']}"
    if match.error:
        return f"{match.error}: {where}: {match.message}"
    texts = {thing["text"] for thing in match.things if "label" not in thing}
    seen = [
        f"{count} “{name}”" if name in texts else f"{count} {name}"
        for name, count in match.labels.items()
    ]
    said = ", ".join([match.verdict, *seen] if match.verdict else seen) or "found"
    return f"{said} in {where}" + ("" if match.score is None else f" ({match.score:.2f})")


def _name_of(thing: Mapping[str, Any]) -> str:
    return str(thing["label"] if "label" in thing else thing["text"])


def path_of(item: str) -> PurePosixPath:
    """Of a dropped file its path below inbox/.taken, or below inbox where files stay there.

    It begins with recipe and date, or with the recipe. Of any other item: the path in its root.
    """
    root, _, path = item.partition(":")
    if root == HOME_ROOT:
        path = path.removeprefix(TAKEN) if path.startswith(TAKEN) else path.removeprefix("inbox/")
    return PurePosixPath(path)


def shown_path(item: str) -> str:
    """What people call it: the path below recipe and date.

    >>> shown_path("home:inbox/.taken/detect/2026-11-23/kitchen-cam/a.jpg")
    'kitchen-cam/a.jpg'
    """
    parts = path_of(item).parts
    if item.startswith(f"{HOME_ROOT}:{TAKEN}"):
        parts = parts[2:]
    elif item.startswith(f"{HOME_ROOT}:inbox/"):
        parts = parts[1:]
    return "/".join(parts)


def camera_folder(item: str) -> str:
    """The folder below recipe and date that a file was dropped in; empty for none."""
    return shown_path(item).rpartition("/")[0]
