"""A model and what its layers saw to ranges and rounded weights: all that INT8 needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nasfarm_models.quantize.emit import Weights
from nasfarm_models.quantize.frontier import RangeKind
from nasfarm_models.quantize.graph import Convolution, Graph
from nasfarm_models.quantize.observe import Inputs, Observed
from nasfarm_models.quantize.ranges import Range, best_range, full_range
from nasfarm_models.quantize.rounding import gptq, limits_for, scales_for


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Both kinds of ranges by tensor, rounded weights by convolution; they hold whatever run of
    convolutions stays FP32.
    """

    ranges: Mapping[RangeKind, Mapping[str, Range]]
    weights: Mapping[str, Weights]


def prepare(graph: Graph, seen: Observed, *, wide_sums: bool = False) -> Prepared:
    """wide_sums: for CPUs with VNNI, where weights need not be held back."""
    full = {tensor: full_range(*ends) for tensor, ends in seen.extremes.items()}
    return Prepared(
        ranges={"full": full, "searched": full | _searched(graph, seen)},
        weights={
            each.node: rounded_weights(each, seen.inputs[each.node], wide_sums=wide_sums)
            for each in graph.convolutions
        },
    )


def _searched(graph: Graph, seen: Observed) -> dict[str, Range]:
    """Ranges of what convolutions read, however far after; what only the decoding reads keeps its
    full range: the few large values there are the findings.
    """
    return {
        tensor: best_range(seen.samples[tensor], *ends)
        for tensor, ends in seen.extremes.items()
        if _read_inside(graph, tensor)
    }


def _read_inside(graph: Graph, tensor: str) -> bool:
    """Whether a convolution comes after the tensor, however far."""
    known = {each.node for each in graph.convolutions}
    waiting, done = [tensor], set[str]()
    while waiting:
        for node in graph.readers.get(waiting.pop(), ()):
            if node.name in known:
                return True
            if node.name not in done:
                done.add(node.name)
                waiting += node.output
    return False


def rounded_weights(layer: Convolution, inputs: Inputs, *, wide_sums: bool) -> Weights:
    """The layer's weights by GPTQ, a scale for each output channel; the bias takes up the mean of
    the error that is left.
    """
    shape = layer.weights.shape
    grouped = layer.weights.astype(np.float64).reshape(layer.groups, shape[0] // layer.groups, -1)
    limits = limits_for((shape[0] // layer.groups, *shape[1:]), wide_sums=wide_sums)
    scales = scales_for(grouped, limits)
    numbers = gptq(grouped, scales, inputs.gram.astype(np.float64), limits)
    error = grouped - numbers * scales[:, :, None]
    shift = (error * inputs.mean[:, None, :]).sum(axis=2).reshape(-1)
    return Weights(numbers.reshape(shape), scales.reshape(-1), layer.bias + shift)
