"""What farm.yml says of each recipe under `recipes:`, every value checked. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nasfarm.core.notices import NoticeRule, notice_rules
from nasfarm.errors import RejectError, UnknownNameError

EXAMPLE = "detect: {keep_days: 30, sidecars: true}"
_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class RecipeRules:
    """What happens with files that are dropped for one recipe.

    keep_days: jobs, dropped files and pictures go after so many days; None: never.
    sidecars: each file gets its result line beside it. daily_csv: each day gets a table.
    every_s: of videos, one frame each so many seconds; 0: every frame.
    sets: `key=value` settings of the recipe. notices: whom to tell of what.
    """

    keep_days: float | None = None
    sidecars: bool = False
    daily_csv: bool = False
    every_s: float = 1.0
    sets: tuple[str, ...] = ()
    notices: tuple[NoticeRule, ...] = ()


NO_RULES = RecipeRules()


def recipe_rules(value: object, place: str) -> Mapping[str, RecipeRules]:
    """The value of `recipes:`. Raises RejectError that begins with `place`, UnknownNameError."""
    if not isinstance(value, Mapping):
        raise RejectError(
            f"{place}: got {value!r:.60}, wanted a line for each recipe, e.g. {EXAMPLE}",
            code="setting",
        )
    return {str(name): _rules(said, f"{place}.{name}") for name, said in value.items()}


def _rules(said: object, place: str) -> RecipeRules:
    if said is None:
        return NO_RULES
    if not isinstance(said, Mapping):
        raise RejectError(
            f"{place}: got {said!r:.60}, wanted lines of the form 'name: value', e.g. {EXAMPLE}",
            code="setting",
        )
    values = {}
    for name, value in said.items():
        if name not in _KEYS:
            raise UnknownNameError.of("setting", str(name), _KEYS, f"It stands in {place}.")
        field, check = _KEYS[name]
        values[field] = check(value, f"{place}.{name}")
    return RecipeRules(**values)


def _number(least: float, most: float) -> Callable[[object, str], float]:
    def check(value: object, place: str) -> float:
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not good or not least <= float(value) <= most:  # type: ignore[arg-type]
            raise RejectError(
                f"{place}: got {value!r:.60}, wanted a number from {least:g} to {most:g}",
                code="setting",
            )
        return float(value)  # type: ignore[arg-type]

    return check


def _flag(value: object, place: str) -> bool:
    if not isinstance(value, bool):
        raise RejectError(f"{place}: got {value!r:.60}, wanted true or false", code="setting")
    return value


def _sets(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, Mapping):
        raise RejectError(
            f"{place}: got {value!r:.60}, wanted the recipe's settings, e.g. {{score: 0.5}}",
            code="setting",
        )
    return tuple(f"{name}={_text(each)}" for name, each in value.items())


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_KEYS: Mapping[str, tuple[str, Callable[[Any, str], Any]]] = {
    "keep_days": ("keep_days", _number(0.01, _MOST_DAYS)),
    "sidecars": ("sidecars", _flag),
    "daily_csv": ("daily_csv", _flag),
    "every": ("every_s", _number(0, 86_400)),
    "set": ("sets", _sets),
    "notify": ("notices", notice_rules),
}
