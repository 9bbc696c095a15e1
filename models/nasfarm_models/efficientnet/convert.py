"""EfficientNet-Lite's weights to an ONNX model: 49 convolutions, two outputs, a free batch size.

Source: the EfficientNet-Lite models of Google's TPU project, as the PyTorch port
EfficientNet-PyTorch names their weights; https://github.com/tensorflow/tpu
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from nasfarm.errors import RejectError
from nasfarm.storage.atomic import storage_errors
from nasfarm_models.efficientnet.torchfile import Array, read_tensors

F32 = NDArray[np.float32]

OPSET = 13
SIDE = 224
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""Of the depthwise convolution of each block: all that the weights themselves do not tell."""

_BN_EPSILON = 1e-3
"""Of batch normalisation, as the models were trained."""


def convert_efficientnet_lite(path: Path) -> ModelProto:
    """The weight file to ONNX. Raises RejectError (code `convert`), StorageError.

    Input `images`: float32 [N, 3, 224, 224], RGB, (x − 127) / 128. Outputs: `classes`,
    probabilities [N, 1000], and `embedding`, [N, 1280], the mean of the last convolution's maps
    before they are weighed.
    """
    with storage_errors(path):
        content = path.read_bytes()
    tensors = read_tensors(content, path.name)
    try:
        return network(tensors, SIDE)
    except KeyError as error:
        raise RejectError(
            f"{path.name}: it has no {error}, wanted the weights of an EfficientNet-Lite",
            code="convert",
        ) from error


def network(tensors: Mapping[str, Array], side: int) -> ModelProto:
    """The model of these weights for pictures of side × side; sides of 32 and its multiples fit.

    Batch normalisation is folded into the convolution before it: the same numbers, one step less.
    Raises KeyError where a tensor is missing.
    """
    draft = _Draft(tensors)
    last = draft.conv("images", "_conv_stem", "_bn0", stride=2)
    for number, stride in enumerate(STRIDES):
        last = draft.block(last, f"_blocks.{number}.", stride)
    last = draft.conv(last, "_conv_head", "_bn1")
    draft.emit("GlobalAveragePool", [last], "pooled")
    draft.emit("Flatten", ["pooled"], "embedding", axis=1)
    weight, bias = draft.constant("_fc.weight"), draft.constant("_fc.bias")
    draft.emit("Gemm", ["embedding", weight, bias], "logits", transB=1)
    draft.emit("Softmax", ["logits"], "classes", axis=1)
    classes, width = tensors["_fc.weight"].shape
    graph = helper.make_graph(
        draft.nodes,
        "efficientnet-lite",
        [_described("images", 3, side, side)],
        [_described("classes", classes), _described("embedding", width)],
        draft.initializers,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="nasfarm",
        ir_version=8,
    )
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    return model


class _Draft:
    """The graph as it grows. A node's output has the name of its weights."""

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self._tensors = tensors
        self.nodes: list[NodeProto] = []
        self.initializers = [
            numpy_helper.from_array(np.array(value, np.float32), name)
            for name, value in (("zero", 0), ("six", 6))
        ]

    def block(self, x: str, name: str, stride: int) -> str:
        """Widen (not in the first block), filter each map, narrow; add `x` where it still fits."""
        wide, channels = x, len(self._tensors[f"{name}_depthwise_conv.weight"])
        expand = self._tensors.get(f"{name}_expand_conv.weight")
        if expand is not None:
            wide, channels = self.conv(x, f"{name}_expand_conv", f"{name}_bn0"), expand.shape[1]
        wide = self.conv(wide, f"{name}_depthwise_conv", f"{name}_bn1", stride=stride)
        narrow = self.conv(wide, f"{name}_project_conv", f"{name}_bn2", clipped=False)
        if stride == 1 and channels == len(self._tensors[f"{name}_project_conv.weight"]):
            return self.emit("Add", [narrow, x], f"{name}sum")
        return narrow

    def conv(self, x: str, name: str, norm: str, *, stride: int = 1, clipped: bool = True) -> str:
        """A convolution with its normalisation folded in, and ReLU6 where `clipped`."""
        weight, bias = folded(self._tensors, name, norm)
        kernel = weight.shape[2]
        # TensorFlow's "same" on an even side: what stride 2 leaves over goes right and below.
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        depthwise = name.endswith("depthwise_conv")
        self.emit(
            "Conv",
            [x, self._added(weight, f"{name}.weight"), self._added(bias, f"{name}.bias")],
            name,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=len(weight) if depthwise else 1,
        )
        return self.emit("Clip", [name, "zero", "six"], f"{name}.clipped") if clipped else name

    def constant(self, name: str) -> str:
        """A tensor of the file, as it is."""
        return self._added(self._tensors[name], name)

    def emit(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def _added(self, value: Array, name: str) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name


def folded(tensors: Mapping[str, Array], name: str, norm: str) -> tuple[F32, F32]:
    """Weight [out, in, k, k] and bias [out] of a convolution that normalises by itself."""
    weight = tensors[f"{name}.weight"].astype(np.float64)
    gain, shift, mean, variance = (
        tensors[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / np.sqrt(variance + _BN_EPSILON)
    return (
        (weight * scale[:, None, None, None]).astype(np.float32),
        (shift - mean * scale).astype(np.float32),
    )


def _described(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
