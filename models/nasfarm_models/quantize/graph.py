"""An ONNX model to what a quantizer needs of it: its convolutions, and who reads what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper, version_converter

from nasfarm.errors import RejectError

F32 = NDArray[np.float32]

_OPSET = 13
"""The first in which a DequantizeLinear may have a scale a channel."""
_CLIPS = ("Relu", "Clip")
"""What an unsigned range does by itself, so that these nodes fall away where they follow a
convolution."""
PASSES = ("Add", "Concat", "LeakyRelu", "MaxPool")
"""What computes in INT8 where it stands between INT8 convolutions. Resize gains nothing there."""


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """One 2-D convolution with constant weights.

    node: its name. source: the tensor it reads. result: the tensor it gives, after the Relu or
    Clip that follows it. before_clip: the same before that; equal to `result` where none follows.
    weights: (out, in / groups, kh, kw). bias: (out,).
    pads: top, left, bottom, right.
    least, most: what the Relu or Clip lets through; infinite where none follows.
    """

    node: str
    source: str
    result: str
    before_clip: str
    weights: F32
    bias: F32
    groups: int
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    least: float
    most: float


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A model and its convolutions in the order in which they run.

    nodes: all nodes with a name each. values: the constants. readers: tensor → nodes that read it.
    """

    model: ModelProto
    nodes: tuple[NodeProto, ...]
    values: Mapping[str, NDArray[np.generic]]
    makers: Mapping[str, NodeProto]
    readers: Mapping[str, tuple[NodeProto, ...]]
    convolutions: tuple[Convolution, ...]

    @property
    def input(self) -> str:
        """The name of the tensor that takes the pictures."""
        names: list[str] = [each.name for each in self.model.graph.input]
        return next(name for name in names if name not in self.values)


def graph_of(model: ModelProto) -> Graph:
    """Raises RejectError (code `model`) where there is no convolution that could become INT8."""
    model = _lifted(model)
    values = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    nodes = []
    for number, node in enumerate(model.graph.node):
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            continue
        kept = NodeProto()
        kept.CopyFrom(node)
        kept.name = node.name or f"{node.op_type}_{number}"
        nodes.append(kept)
    makers = {tensor: node for node in nodes for tensor in node.output}
    readers = _readers(nodes)
    outputs = {each.name for each in model.graph.output}
    convolutions = tuple(
        _convolution(node, values, readers, outputs) for node in nodes if _fits(node, values)
    )
    if not convolutions:
        raise RejectError("the model has no convolution that could become INT8", code="model")
    return Graph(model, tuple(nodes), values, makers, readers, convolutions)


def _lifted(model: ModelProto) -> ModelProto:
    """The model in an opset that can say what INT8 needs."""
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    if opset >= _OPSET:
        return model
    try:
        return version_converter.convert_version(model, _OPSET)
    except Exception as error:  # onnx's own errors share no base but this
        raise RejectError(
            f"the model is of ONNX opset {opset}, wanted {_OPSET}, and cannot be lifted: {error}",
            code="model",
        ) from error


def _readers(nodes: list[NodeProto]) -> dict[str, tuple[NodeProto, ...]]:
    found: dict[str, tuple[NodeProto, ...]] = {}
    for node in nodes:
        for tensor in dict.fromkeys(node.input):
            found[tensor] = (*found.get(tensor, ()), node)
    return found


def _fits(node: NodeProto, values: Mapping[str, NDArray[np.generic]]) -> bool:
    """Whether the node is a 2-D convolution with constant weights and plain padding."""
    if node.op_type != "Conv" or any(name not in values for name in node.input[1:] if name):
        return False
    padding = next((each.s for each in node.attribute if each.name == "auto_pad"), b"NOTSET")
    return values[node.input[1]].ndim == 4 and padding == b"NOTSET"


def _convolution(
    node: NodeProto,
    values: Mapping[str, NDArray[np.generic]],
    readers: Mapping[str, tuple[NodeProto, ...]],
    outputs: set[str],
) -> Convolution:
    said = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    weights = values[node.input[1]].astype(np.float32)
    biased = len(node.input) > 2 and node.input[2]
    bias = values[node.input[2]].astype(np.float32) if biased else np.zeros(len(weights), "f4")
    result, least, most = node.output[0], -np.inf, np.inf
    following = readers.get(result, ())
    if len(following) == 1 and following[0].op_type in _CLIPS and result not in outputs:
        limits = _limits(following[0], values)
        if limits is not None:
            result, (least, most) = following[0].output[0], limits
    top, left, bottom, right = said.get("pads", (0, 0, 0, 0))
    return Convolution(
        node=node.name,
        source=node.input[0],
        result=result,
        before_clip=node.output[0],
        weights=weights,
        bias=bias,
        groups=said.get("group", 1),
        strides=tuple(said.get("strides", (1, 1))),
        pads=(top, left, bottom, right),
        dilations=tuple(said.get("dilations", (1, 1))),
        least=least,
        most=most,
    )


def _limits(
    node: NodeProto, values: Mapping[str, NDArray[np.generic]]
) -> tuple[float, float] | None:
    """What a Relu or Clip lets through; None where that is computed while it runs."""
    if node.op_type == "Relu":
        return 0.0, np.inf
    names = [*node.input[1:], "", ""][:2]
    if any(name and name not in values for name in names):
        return None
    least, most = (float(values[name]) if name else None for name in names)
    return -np.inf if least is None else least, np.inf if most is None else most
