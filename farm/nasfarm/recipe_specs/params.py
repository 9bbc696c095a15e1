"""A parameter's written value to the value a job runs with, of its type and in its range. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from nasfarm.core.recipes import Param, ParamValue
from nasfarm.errors import RejectError

LABELS = "labels"
"""The type of a parameter that is some labels of things: its value is a text, `car,bus`."""

_TYPES = {"number": float, "integer": int, "text": str, "flag": bool, LABELS: str}
_FLAGS = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def value_of(param: Param, text: str, place: str) -> ParamValue:
    """`text` from a command line as the parameter's type. Raises RejectError."""
    try:
        value = _READERS[param.type](text.strip())
    except (ValueError, KeyError):
        raise _refused(param, text, place) from None
    return _in_range(param, value, text, place)


def checked_param(param: Param, place: str) -> Param:
    """The parameter, its default being of its own type and in its range. Raises RejectError."""
    _check_range(param, place)
    default = param.default
    if param.type == "number" and isinstance(default, int) and not isinstance(default, bool):
        default = _number(default)  # `default: 1` and `--set score=1` are one job
    if type(default) is not _TYPES[param.type]:
        raise _refused(param, default, f"{place}: default")
    if param.type == LABELS:
        default = _labels(str(default))
    return replace(param, default=_in_range(param, default, param.default, f"{place}: default"))


def as_text(value: object) -> str:
    """A value as YAML has it, as one writes it after `--set name=`.

    >>> as_text(["car", "bus"])
    'car,bus'
    """
    if isinstance(value, list):
        return ",".join(map(as_text, value))
    return "" if value is None else str(value)


def _check_range(param: Param, place: str) -> None:
    if param.type not in _READERS:
        known = ", ".join(_READERS)
        raise RejectError(
            f"{place}: type: got '{param.type}', wanted one of {known}", code="recipe"
        )
    if param.least is not None and param.most is not None and param.least > param.most:
        raise RejectError(
            f"{place}: least: got {param.least:g}, wanted no more than `most`, {param.most:g}",
            code="recipe",
        )
    if param.choices and param.type not in ("text", LABELS):
        raise RejectError(
            f"{place}: choices: got {list(param.choices)}, wanted none with the type "
            f"{param.type}; give it `least` and `most`",
            code="recipe",
        )


def _labels(text: str) -> str:
    """Labels in the order of writing, each once, with commas between: one job for one wish."""
    return ",".join(dict.fromkeys(filter(None, (label.strip() for label in text.split(",")))))


def _number(value: float) -> float:
    """As a number; one beyond all numbers is infinite, which no range has."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _in_range(param: Param, value: ParamValue, written: object, place: str) -> ParamValue:
    if isinstance(value, str) and param.choices:
        chosen = {*filter(None, value.split(","))} if param.type == LABELS else {value}
        if not chosen <= {*param.choices}:
            raise _refused(param, written, place)
    if isinstance(value, str | bool):
        return value
    least = -math.inf if param.least is None else param.least
    most = math.inf if param.most is None else param.most
    if not math.isfinite(_number(value)) or not least <= value <= most:
        raise _refused(param, written, place)
    return value


def _refused(param: Param, got: object, place: str) -> RejectError:
    return RejectError(f"{place}: got {got!r:.80}, wanted {_wanted(param)}", code="value")


def _wanted(param: Param) -> str:
    if param.choices:
        some = "some" if param.type == LABELS else "one"
        return f"{some} of {', '.join(param.choices)}"
    kind = {
        "number": "a number",
        "integer": "a whole number",
        "text": "text",
        "flag": "yes or no",
        LABELS: "labels with commas between them",
    }[param.type]
    if param.least is not None and param.most is not None:
        return f"{kind} from {param.least:g} to {param.most:g}"
    if param.least is not None:
        return f"{kind} of at least {param.least:g}"
    if param.most is not None:
        return f"{kind} of at most {param.most:g}"
    return kind


_READERS: Mapping[str, Callable[[str], ParamValue]] = {
    "number": float,
    "integer": int,
    "text": str,
    "flag": lambda text: _FLAGS[text.lower()],
    LABELS: _labels,
}
