"""A model, the ranges of its tensors and rounded weights to the same model in INT8 (QDQ form)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from nasfarm_models.quantize.graph import PASSES, Convolution, Graph
from nasfarm_models.quantize.ranges import Range

F64 = NDArray[np.float64]
I8 = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A convolution in INT8: numbers (out, in / groups, kh, kw), scales (out,) and bias (out,)."""

    numbers: I8
    scales: F64
    bias: F64


def int8_model(
    graph: Graph, kept: int, ranges: Mapping[str, Range], weights: Mapping[str, Weights]
) -> ModelProto:
    """The model with its first `kept` convolutions as they were and all others in INT8.

    Activations are unsigned: the CPU's instructions want unsigned times signed. The same arguments
    give the same bytes.
    """
    return _Draft(graph, kept, ranges, weights).model()


def int8_nodes(graph: Graph, kept: int) -> frozenset[str]:
    """Names of the nodes that compute in INT8: convolutions after the first `kept`, and what
    passes between two of them. What decodes their outputs is not between.
    """
    convolutions = {each.node for each in graph.convolutions[kept:]}
    after = _reached(graph, convolutions, forward=True)
    before = _reached(graph, convolutions, forward=False)
    between = {
        each.name
        for each in graph.nodes
        if each.op_type in PASSES and each.name in after and each.name in before
    }
    return frozenset(convolutions | between)


def _reached(graph: Graph, starts: Iterable[str], *, forward: bool) -> set[str]:
    """Nodes that come after (or before) any of the starts, however far."""
    reached: set[str] = set()
    known = set(starts)
    for node in graph.nodes if forward else reversed(graph.nodes):
        if forward:
            beside = [graph.makers[name] for name in node.input if name in graph.makers]
        else:
            beside = [each for name in node.output for each in graph.readers.get(name, ())]
        if any(each.name in known or each.name in reached for each in beside):
            reached.add(node.name)
    return reached


class _Draft:
    """The INT8 model while it is written, node by node."""

    def __init__(
        self,
        graph: Graph,
        kept: int,
        ranges: Mapping[str, Range],
        weights: Mapping[str, Weights],
    ) -> None:
        self._graph = graph
        self._weights = weights
        self._ranges = dict(ranges)
        self._int8 = int8_nodes(graph, kept)
        self._layers = {each.node: each for each in graph.convolutions[kept:]}
        self._results = {each.result for each in self._layers.values()}
        self._nodes: list[NodeProto] = []
        self._values: dict[str, NDArray[np.generic]] = dict(graph.values)
        self._rounded: dict[str, str] = {}

    def model(self) -> ModelProto:
        gone = {
            self._graph.makers[each.result].name
            for each in self._layers.values()
            if each.result != each.before_clip
        }
        for node in self._graph.nodes:
            if node.name in self._layers:
                self._convolution(node, self._layers[node.name])
            elif node.name in self._int8:
                self._pass(node)
            elif node.name not in gone:
                self._nodes.append(node)
        used = {name for node in self._nodes for name in node.input}
        made = ModelProto()
        made.CopyFrom(self._graph.model)
        del made.graph.node[:], made.graph.initializer[:], made.graph.value_info[:]
        made.graph.node.extend(self._nodes)
        made.graph.initializer.extend(
            numpy_helper.from_array(value, name)
            for name, value in self._values.items()
            if name in used
        )
        made.producer_name = "nasfarm"
        onnx.checker.check_model(made)
        return made

    def _convolution(self, node: NodeProto, layer: Convolution) -> None:
        name, weights = layer.node, self._weights[layer.node]
        source = self._in_int8(layer.source)
        scales = weights.scales.astype(np.float32)
        self._unpack(f"{name}.weight", weights.numbers, scales)
        # The sum of products comes in steps of both scales; so does what is added to it.
        steps = (np.float32(self._ranges[layer.source].scale) * scales).astype(np.float32)
        bias = np.clip(np.rint(weights.bias / steps), -(2**31), 2**31 - 1)
        self._unpack(f"{name}.bias", bias.astype(np.int32), steps)
        made = NodeProto()
        made.CopyFrom(node)
        del made.input[:], made.output[:]
        made.input.extend([source, f"{name}.weight.real", f"{name}.bias.real"])
        made.output.append(f"{layer.result}.raw")
        self._nodes.append(made)
        self._round(f"{layer.result}.raw", layer.result, layer.result)

    def _pass(self, node: NodeProto) -> None:
        made = NodeProto()
        made.CopyFrom(node)
        made.input[:] = [self._in_int8(name) for name in node.input]
        result = node.output[0]
        if node.op_type == "MaxPool":
            # The largest of numbers is one of them: only within one range is that a plain max.
            self._ranges[result] = self._ranges[node.input[0]]
        made.output[:] = [f"{result}.raw"]
        self._nodes.append(made)
        self._round(f"{result}.raw", result, result)

    def _in_int8(self, tensor: str) -> str:
        """The name under which a tensor is read as rounded: its own where an INT8 node made it."""
        maker = self._graph.makers.get(tensor)
        if tensor in self._results or (maker is not None and maker.name in self._int8):
            return tensor
        if tensor not in self._rounded:
            self._rounded[tensor] = f"{tensor}.rounded"
            self._round(tensor, self._rounded[tensor], tensor)
        return self._rounded[tensor]

    def _round(self, source: str, result: str, tensor: str) -> None:
        """A tensor to whole numbers of its range and back."""
        wanted = self._ranges[tensor]
        scale, zero = f"{tensor}.scale", f"{tensor}.zero"
        self._values[scale] = np.array(wanted.scale, np.float32)
        self._values[zero] = np.array(wanted.zero_point, np.uint8)
        whole = f"{tensor}.whole"
        self._nodes += [
            helper.make_node("QuantizeLinear", [source, scale, zero], [whole], f"{tensor}.Q"),
            helper.make_node("DequantizeLinear", [whole, scale, zero], [result], f"{tensor}.DQ"),
        ]

    def _unpack(self, name: str, numbers: NDArray[np.generic], scales: NDArray[np.float32]) -> None:
        """Constants that are kept as whole numbers, a scale for each of the first axis."""
        self._values[f"{name}.whole"] = numbers
        self._values[f"{name}.scale"] = scales
        self._values[f"{name}.zero"] = np.zeros(len(scales), numbers.dtype)
        inputs = [f"{name}.{each}" for each in ("whole", "scale", "zero")]
        self._nodes.append(
            helper.make_node("DequantizeLinear", inputs, [f"{name}.real"], f"{name}.DQ", axis=0)
        )
