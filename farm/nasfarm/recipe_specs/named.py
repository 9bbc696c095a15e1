"""A resolved recipe to a refusal where a value of it names what is not there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.errors import UnknownNameError


def check_named(recipe: ResolvedRecipe, labels: Callable[[str, str], Sequence[str]]) -> None:
    """labels: of a model by its name and version. Raises UnknownNameError with the nearest name.

    A label that no model of the recipe knows would be found nowhere, and nobody would wonder.
    """
    zone = str(recipe.params.get("alert_zone", ""))
    if zone and zone not in recipe.zones:
        hint = "Zones stand under 'zones' in a recipe of your own, or in --set zones="
        raise UnknownNameError.of(f"zone of recipe '{recipe.name}'", zone, recipe.zones, hint)
    if not recipe.labels:
        return
    models = [stage.model for stage in recipe.stages]
    known = {label for model in models for label in labels(model.name, model.version) if label}
    for label in recipe.labels:
        if label not in known:
            raise UnknownNameError.of(f"label of {recipe.models}", label, known)
