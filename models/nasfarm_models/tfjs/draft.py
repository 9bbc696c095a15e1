"""The ONNX graph as it grows: nodes, constants, and which way round each tensor lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from nasfarm_models.tfjs.graph import Array

TO_NCHW = (0, 3, 1, 2)
TO_NHWC = (0, 2, 3, 1)
_NCHW_AXIS = {0: 0, 1: 2, 2: 3, 3: 1}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value of the TFJS graph: a constant (`value`) or an ONNX tensor (`name`).

    shape: as TensorFlow sees it, the batch counted as 1.
    nchw: the ONNX tensor's axes are N, C, H, W where `shape` says N, H, W, C. Convolutions stay in
        that order from one to the next, so that no transposes stand between them.
    """

    shape: tuple[int, ...]
    name: str = ""
    value: Array | None = None
    nchw: bool = False

    @classmethod
    def constant(cls, value: Array) -> Tensor:
        return cls(value.shape, value=value)

    @property
    def rank(self) -> int:
        return len(self.shape)

    def axis(self, axis: int) -> int:
        """Where TensorFlow's axis lies in the ONNX tensor."""
        axis %= self.rank
        return _NCHW_AXIS[axis] if self.nchw else axis


class OnnxDraft:
    """Nodes and initializers, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    def constant(self, value: Array, hint: str = "constant") -> str:
        """Add a constant; returns its name."""
        name = f"{hint}_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def emit(self, op: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        """Add a node with one output; returns the output's name."""
        return self.emit_many(op, inputs, 1, name, **attributes)[0]

    def emit_many(
        self, op: str, inputs: list[str], outputs: int, name: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node; returns its outputs' names."""
        name = f"{name.replace('/', '.') or op}_{len(self.nodes)}"
        names = [f"{name}_out{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=name, **attributes))
        return names

    def plain(self, tensor: Tensor) -> str:
        """The tensor's ONNX name, with the axes in TensorFlow's order."""
        if tensor.value is not None:
            return self.constant(tensor.value)
        if tensor.nchw:
            return self.emit("Transpose", [tensor.name], perm=TO_NHWC)
        return tensor.name

    def nchw(self, tensor: Tensor) -> str:
        """The tensor's ONNX name, with the axes N, C, H, W."""
        if tensor.value is not None:
            return self.constant(tensor.value.transpose(TO_NCHW))
        if not tensor.nchw:
            return self.emit("Transpose", [tensor.name], perm=TO_NCHW)
        return tensor.name
