"""A recipe's models and the nodes that are there to a refusal where the two do not go together.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nasfarm.core.nodes import NodeReport
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.errors import RejectError

VNNI_ONLY = "-vnni"
"""Ends the name of a variant that is wrong on processors without VNNI."""


def check_suited(recipe: ResolvedRecipe, nodes: Iterable[NodeReport]) -> None:
    """Raises RejectError (code `model`) where a node that is there would compute wrongly."""
    special = [str(each.model) for each in recipe.stages if each.model.variant.endswith(VNNI_ONLY)]
    lacking = [node.node for node in nodes if not (node.vnni or node.paused)]
    if special and lacking:
        raise RejectError(
            f"{special[0]} is right only on processors with VNNI, which {', '.join(lacking)} has "
            "not. Take the model's int8 or fp32, or pause that node first.",
            code="model",
        )
