"""A recipe's values to a refusal where one of them names what is not there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nasfarm.core.recipes import ParamValue, ResolvedRecipe, Shapes
from nasfarm.errors import UnknownNameError

_MEANT = {
    **dict.fromkeys(("people", "persons", "human", "man", "woman", "child", "人"), "person"),
    **dict.fromkeys(("bike", "bikes", "cycle", "自行车"), "bicycle"),
    **dict.fromkeys(("van", "lorry", "pickup", "卡车"), "truck"),
    **dict.fromkeys(("motorbike", "scooter", "摩托车"), "motorcycle"),
    "auto": "car", "vehicle": "car", "汽车": "car",
}  # fmt: skip
"""What people say, and what the models do: the nearest spelling of people is apple."""


def check_named(recipe: ResolvedRecipe, labels: Callable[[str, str], Sequence[str]]) -> None:
    """labels: of a model by its name and version. Raises UnknownNameError with the nearest name."""
    check_zone(recipe.name, recipe.params, recipe.zones)
    check_labels(recipe, labels)


def check_zone(name: str, params: Mapping[str, ParamValue], zones: Shapes) -> None:
    """Whether the recipe of that name has the zone of its parameter. Raises as `check_named`."""
    zone = str(params.get("alert_zone", ""))
    if zone and zone not in zones:
        hint = "Zones stand under 'zones' in a recipe of your own, or in --set zones="
        raise UnknownNameError.of(f"zone (alert_zone) of recipe '{name}'", zone, zones, hint)


def check_labels(recipe: ResolvedRecipe, labels: Callable[[str, str], Sequence[str]]) -> None:
    """Whether a model of the recipe knows its labels. Raises as `check_named`.

    One that none knows would be found nowhere, and nobody would wonder.
    """
    if not recipe.labels:
        return
    models = [stage.model for stage in recipe.stages]
    known = {label for model in models for label in labels(model.name, model.version) if label}
    for label in recipe.labels:
        if label not in known:
            meant = _MEANT.get(label.lower(), "")
            if meant in known:
                raise UnknownNameError(
                    f"no label (labels) of {recipe.models} is called '{label}': did you mean "
                    f"'{meant}'?"
                )
            raise UnknownNameError.of(f"label (labels) of {recipe.models}", label, known)
