"""Values that name labels and zones: what is not there is refused before anything runs."""

from __future__ import annotations

import pytest

from nasfarm.core.models import PinnedModel
from nasfarm.core.recipes import ParamValue, ResolvedRecipe, ResolvedStage
from nasfarm.errors import UnknownNameError
from nasfarm.recipe_specs.named import check_named

CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))


def check(**params: ParamValue) -> None:
    model = PinnedModel("eyes", "3", "int8", "0" * 64)
    stage = ResolvedStage("look", model, "image")
    recipe = ResolvedRecipe("street", "detect", (stage,), params, 16, 0, zones={"door": CORNERS})
    check_named(recipe, lambda _name, _version: ("person", "car", "bus", ""))


@pytest.mark.parametrize("labels", ["", "person", "car, bus", " bus ,car,"])
def test_labels_that_the_model_knows_are_fine(labels: str) -> None:
    check(labels=labels)


def test_a_label_that_the_model_does_not_know_names_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match=r"label \(labels\) of eyes@3/int8.*'persn'.*'person'"
    ):
        check(labels="car, persn")


def test_a_zone_that_the_recipe_does_not_have_names_the_nearest() -> None:
    check(alert_zone="door")
    with pytest.raises(UnknownNameError, match=r"'dor'.*'door'.*--set zones="):
        check(alert_zone="dor")
