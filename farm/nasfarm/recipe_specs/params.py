"""A parameter's written value to the value a job runs with, of its type and in its range. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from nasfarm.core.recipes import Param, ParamValue
from nasfarm.errors import RejectError

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
    if param.type not in _READERS:
        known = ", ".join(_READERS)
        raise RejectError(
            f"{place}: type: got '{param.type}', wanted one of {known}", code="recipe"
        )
    default = param.default
    if param.type == "number" and isinstance(default, int) and not isinstance(default, bool):
        default = float(default)  # `default: 1` and `--set score=1` are one job
    wanted = {"number": float, "integer": int, "text": str, "flag": bool}[param.type]
    if type(default) is not wanted:
        raise _refused(param, default, f"{place}: default")
    return replace(param, default=_in_range(param, default, default, f"{place}: default"))


def _in_range(param: Param, value: ParamValue, written: object, place: str) -> ParamValue:
    if isinstance(value, str) and param.choices and value not in param.choices:
        raise _refused(param, written, place)
    if isinstance(value, str | bool):
        return value
    least = -math.inf if param.least is None else param.least
    most = math.inf if param.most is None else param.most
    if not math.isfinite(value) or not least <= value <= most:
        raise _refused(param, written, place)
    return value


def _refused(param: Param, got: object, place: str) -> RejectError:
    return RejectError(f"{place}: got {got!r}, wanted {_wanted(param)}", code="value")


def _wanted(param: Param) -> str:
    if param.choices:
        return f"one of {', '.join(param.choices)}"
    kind = {
        "number": "a number",
        "integer": "a whole number",
        "text": "text",
        "flag": "yes or no",
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
}
