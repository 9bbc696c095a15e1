"""A recipe's `notify:` list from farm.yml to its rules, each value checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nasfarm.core.recipes import Point
from nasfarm.errors import RejectError, UnknownNameError

MOST_ATTACHED_KB = 1024
LONGEST_COOLDOWN_S = 7 * 86_400.0
TOPIC_PREFIX = "nasfarm"
"""Where an MQTT address has no path of its own, topics begin with it."""

EXAMPLE = "- {name: person-at-night, when: {label: person, score: 0.6}, webhook: 'https://…'}"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_PREFIX = re.compile(r"(/[A-Za-z0-9_-]+)*/?")


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day without notices, in minutes since midnight; over midnight where end < start.

    The first minute belongs to them, the last does not.
    """

    start: int
    end: int

    def covers(self, minute: int) -> bool:
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@dataclass(frozen=True, slots=True)
class Condition:
    """What a line must say; everything that is given must hold.

    labels, verdicts, text: without regard to case. text: somewhere in what was read.
    zone: corners of a polygon; a thing counts where the middle of its box's lower edge lies in it.
    count: so many things must match; 0 where things do not matter. error: the item failed.
    """

    labels: tuple[str, ...] = ()
    score: float = 0.0
    zone: tuple[Point, ...] = ()
    text: str = ""
    count: int = 0
    verdicts: tuple[str, ...] = ()
    error: bool = False


@dataclass(frozen=True, slots=True)
class NoticeRule:
    """Whom to tell of what. `webhook` and `mqtt` are addresses; at least one of them is there.

    cooldown_s: after a notice, no further one of the same rule and camera folder for so long.
    picture_url: what the path below inbox/.taken is put behind; empty: no link.
    attach_kb: pictures of up to so many kilobytes travel with the notice.
    discovery: Home Assistant is told how to show it (MQTT only).
    """

    name: str
    when: Condition
    cooldown_s: float = 0.0
    quiet: Quiet | None = None
    webhook: str = ""
    mqtt: str = ""
    discovery: bool = True
    picture_url: str = ""
    attach_kb: int = 0


RULE_KEYS = ("name when cooldown_s quiet webhook mqtt discovery picture_url attach_kb").split()
WHEN_KEYS = "label score zone text count verdict error".split()
_OF_THINGS = {"label", "score", "zone", "text", "count"}


def notice_rules(value: object, place: str) -> tuple[NoticeRule, ...]:
    """One recipe's `notify:` list, checked. Raises RejectError, UnknownNameError naming `place`."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _refused(place, value, "a list of rules", EXAMPLE)
    rules = tuple(_rule(entry, f"{place}, rule {n}") for n, entry in enumerate(value, 1))
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise _refused(f"{place}: name", name, "each name once", "name: person-at-door")
    return rules


def topic_prefix(mqtt: str) -> str:
    """What the topics at an MQTT address begin with: its path, else `nasfarm`."""
    return urlsplit(mqtt).path.strip("/") or TOPIC_PREFIX


def _rule(entry: object, place: str) -> NoticeRule:
    said = _mapping(entry, RULE_KEYS, "key of a notice rule", place, EXAMPLE)
    name = said.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        wanted = "up to 63 of a-z, A-Z, 0-9, - and _: it is part of addresses"
        raise _refused(f"{place}: name", name, wanted, "name: person-at-night")
    place = f"{place} ({name})"
    if not said.get("webhook") and not said.get("mqtt"):
        wanted = "whom to tell: 'webhook', 'mqtt' or both"
        raise _refused(place, None, wanted, "mqtt: mqtt://192.168.1.5")
    return NoticeRule(
        name=name,
        when=_condition(said.get("when"), f"{place}: when"),
        cooldown_s=_number(said, "cooldown_s", LONGEST_COOLDOWN_S, place, "cooldown_s: 60"),
        quiet=_quiet(said.get("quiet"), f"{place}: quiet"),
        webhook=_web_address(said, "webhook", place, "webhook: https://example.org/hook"),
        mqtt=_mqtt_address(said.get("mqtt"), f"{place}: mqtt"),
        discovery=_yes_or_no(said, "discovery", True, place),
        picture_url=_link(
            _web_address(said, "picture_url", place, "picture_url: http://nas/taken/")
        ),
        attach_kb=_whole(said, "attach_kb", 0, MOST_ATTACHED_KB, place, "attach_kb: 200") or 0,
    )


def _condition(value: object, place: str) -> Condition:
    example = "when: {label: person, score: 0.6}"
    said = _mapping(value, WHEN_KEYS, "condition", place, example)
    said = {name: entry for name, entry in said.items() if entry is not None}
    error = _yes_or_no(said, "error", False, place)
    if error and len(said) > 1:
        raise _refused(place, sorted(said), "'error' alone, in a rule of its own", "{error: true}")
    if not error and not said.keys() - {"error"}:
        raise _refused(place, value, f"one or more of {', '.join(WHEN_KEYS)}", example)
    text = said.get("text", "")
    if not isinstance(text, str) or ("text" in said and not text.strip()):
        raise _refused(f"{place}: text", text, "a part of the text to be read", "text: 'ABC 123'")
    return Condition(
        labels=_words(said, "label", place, "label: [person, dog]"),
        score=_number(said, "score", 1, place, "score: 0.6"),
        zone=_zone(said.get("zone"), f"{place}: zone"),
        text=text.casefold(),
        count=_whole(said, "count", 1, 10_000, place, "count: 2")
        or int(bool(_OF_THINGS & said.keys())),
        verdicts=_words(said, "verdict", place, "verdict: bad"),
        error=error,
    )


def _refused(place: str, got: object, wanted: str, example: str) -> RejectError:
    shown = "nothing" if got is None else repr(got)
    return _unfit(place, shown[:60], wanted, example)


def _unfit(place: str, shown: str, wanted: str, example: str) -> RejectError:
    return RejectError(f"{place}: got {shown}, wanted {wanted}. Example: {example}", code="setting")


def _mapping(
    value: object, known: Sequence[str], kind: str, place: str, example: str
) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _refused(place, value, "lines of the form 'name: value'", example)
    for name in value:
        if name not in known:
            raise UnknownNameError.of(kind, str(name), known, f"It stands in {place}.")
    return value


def _number(said: Mapping[str, Any], name: str, most: float, place: str, example: str) -> float:
    value = said.get(name)
    if value is None:
        return 0.0
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= most:
        raise _refused(f"{place}: {name}", value, f"a number from 0 to {most:g}", example)
    return float(value)


def _whole(
    said: Mapping[str, Any], name: str, least: int, most: int, place: str, example: str
) -> int | None:
    value = said.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        wanted = f"a whole number from {least} to {most}"
        raise _refused(f"{place}: {name}", value, wanted, example)
    return value


def _yes_or_no(said: Mapping[str, Any], name: str, default: bool, place: str) -> bool:
    value = said.get(name, default)
    if not isinstance(value, bool):
        raise _refused(
            f"{place}: {name}", value, "true or false", f"{name}: {str(default).lower()}"
        )
    return value


def _words(said: Mapping[str, Any], name: str, place: str, example: str) -> tuple[str, ...]:
    value = said.get(name, [])
    words = [value] if isinstance(value, str) else value
    good = isinstance(words, list) and all(isinstance(word, str) and word for word in words)
    if not good or (name in said and not words):
        raise _refused(f"{place}: {name}", value, "a word or a list of words", example)
    return tuple(word.casefold() for word in words)


def _zone(value: object, place: str) -> tuple[Point, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) < 3 or not all(map(_is_point, value)):
        wanted = "three or more corners, each as parts of width and height from 0 to 1"
        raise _refused(place, value, wanted, "zone: [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]")
    return tuple((float(x), float(y)) for x, y in value)


def _is_point(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(
            isinstance(part, (int, float)) and not isinstance(part, bool) and 0 <= part <= 1
            for part in value
        )
    )


def _quiet(value: object, place: str) -> Quiet | None:
    if value is None:
        return None
    found = _HOURS.fullmatch(value.replace(" ", "")) if isinstance(value, str) else None
    if found is None or found[1] + found[2] == found[3] + found[4]:
        wanted = "two different times of the day, from-to"
        raise _refused(place, value, wanted, 'quiet: "22:00-07:00"')
    start_h, start_min, end_h, end_min = map(int, found.groups())
    return Quiet(60 * start_h + start_min, 60 * end_h + end_min)


def _web_address(said: Mapping[str, Any], name: str, place: str, example: str) -> str:
    value = said.get(name) or ""
    if value and not _is_address(value, ("http", "https"), user=False):
        # An address may be a secret by itself, so it is never shown.
        wanted = "an address that begins with http:// or https://, without a password"
        raise _unfit(f"{place}: {name}", "something else", wanted, example)
    return str(value)


def _mqtt_address(value: object, place: str) -> str:
    if not value:
        return ""
    # What a URL takes for a query or a fragment, people mean as a part of the topic.
    plain = not re.search("[?#]", str(value)) and _is_address(value, ("mqtt", "mqtts"), user=True)
    if not plain or not _PREFIX.fullmatch(urlsplit(str(value)).path):
        wanted = (
            "mqtt://HOST or mqtts://HOST (TLS), with USER@ before the host and a path of letters, "
            "digits, - and _ behind it where wanted; the password goes into the file secrets/mqtt "
            "of the state folder"
        )
        raise _unfit(place, "something else", wanted, "mqtt: mqtt://farm@192.168.1.5:1883")
    return str(value)


def _is_address(value: object, schemes: tuple[str, ...], *, user: bool) -> bool:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        fits = parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
    return fits and not parts.password and (user or not parts.username)


def _link(url: str) -> str:
    return url if not url or url.endswith(("/", "=")) else url + "/"
