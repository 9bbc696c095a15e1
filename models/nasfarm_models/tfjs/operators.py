"""One TensorFlow operation to ONNX nodes: a function each, found by name in OPERATORS.

A new model's missing operation is one more function here, or in FOLDS where it only ever works on
constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nasfarm.errors import RejectError
from nasfarm_models.tfjs.draft import TO_NCHW, TO_NHWC, OnnxDraft, Tensor
from nasfarm_models.tfjs.graph import Array, Node

Operator = Callable[[Node, Sequence[Tensor], OnnxDraft], list[Tensor]]
Fold = Callable[..., Array]

_LOWEST = -3e38
"""Padding before a maximum: TensorFlow uses -infinity, which some ONNX kernels do not take."""


def identity(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    return [inputs[0]]


def conv_2d(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    """Weights come as (H, W, in / groups, out), ONNX wants (out, in / groups, H, W)."""
    source, weights = inputs[0], _constant(inputs[1], node)
    return _conv(node, inputs, draft, weights.transpose(3, 2, 0, 1), source.shape[3])


def depthwise_conv_2d(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    """Weights come as (H, W, channels, multiplier): one group a channel."""
    weights = _constant(inputs[1], node)
    height, width = weights.shape[:2]
    grouped = weights.transpose(2, 3, 0, 1).reshape(-1, 1, height, width)
    return _conv(node, inputs, draft, grouped, inputs[0].shape[3])


def _conv(
    node: Node, inputs: Sequence[Tensor], draft: OnnxDraft, weights: Array, channels: int
) -> list[Tensor]:
    source = inputs[0]
    kernel = weights.shape[2:]
    strides, dilations = node.ints("strides")[1:3], node.ints("dilations")[1:3]
    pads = _pads(node, source.shape[1:3], kernel, strides, dilations)
    names = [draft.nchw(source), draft.constant(weights.astype(np.float32), "weights")]
    fused = node.texts("fused_ops")
    if "BiasAdd" in fused:
        names.append(draft.constant(_constant(inputs[2], node).astype(np.float32), "bias"))
    output = draft.emit(
        "Conv",
        names,
        node.name,
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        pads=pads,
        group=channels // weights.shape[1],
    )
    for activation in fused:
        if activation != "BiasAdd":
            output = _activation(activation, output, node, draft)
    size = _windows(source.shape[1:3], kernel, strides, dilations, pads)
    return [Tensor((source.shape[0], *size, len(weights)), output, nchw=True)]


def _activation(kind: str, name: str, node: Node, draft: OnnxDraft) -> str:
    if kind == "Relu":
        return draft.emit("Relu", [name])
    if kind == "Relu6":
        limits = [draft.constant(np.float32(each), "limit") for each in (0, 6)]  # type: ignore[arg-type]
        return draft.emit("Clip", [name, *limits])
    raise RejectError(f"{node.name}: the activation {kind} is not known", code="convert")


def max_pool(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    source = inputs[0]
    kernel, strides = node.ints("ksize")[1:3], node.ints("strides")[1:3]
    pads = _pads(node, source.shape[1:3], kernel, strides, (1, 1))
    names = [draft.nchw(source)]
    output = draft.emit(
        "MaxPool", names, node.name, kernel_shape=kernel, strides=strides, pads=pads
    )
    size = _windows(source.shape[1:3], kernel, strides, (1, 1), pads)
    return [Tensor((source.shape[0], *size, source.shape[3]), output, nchw=True)]


def leaky_relu(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    source = inputs[0]
    output = draft.emit("LeakyRelu", [source.name], node.name, alpha=node.number("alpha"))
    return [Tensor(source.shape, output, nchw=source.nchw)]


def sigmoid(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    source = inputs[0]
    output = draft.emit("Sigmoid", [source.name], node.name)
    return [Tensor(source.shape, output, nchw=source.nchw)]


def add(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    """A constant per channel straight after a convolution without a bias becomes its bias."""
    nchw = any(each.nchw for each in inputs)
    bias = [each.value for each in inputs if each.value is not None and each.rank == 1]
    moving = [each for each in inputs if each.value is None]
    if nchw and bias and _takes_bias(draft, moving[0]):
        draft.nodes[-1].input.append(draft.constant(bias[0].astype(np.float32), "bias"))
        return [moving[0]]
    names = [_beside_nchw(each, draft) if nchw else draft.plain(each) for each in inputs]
    shape = np.broadcast_shapes(*(each.shape for each in inputs))
    return [Tensor(shape, draft.emit("Add", names, node.name), nchw=nchw)]


def _takes_bias(draft: OnnxDraft, source: Tensor) -> bool:
    last = draft.nodes[-1]
    return last.op_type == "Conv" and last.output[0] == source.name and len(last.input) == 2


def _beside_nchw(tensor: Tensor, draft: OnnxDraft) -> str:
    """A value so that it broadcasts against one in N, C, H, W."""
    if tensor.value is None or tensor.rank == 0:
        return draft.nchw(tensor) if tensor.value is None else draft.constant(tensor.value)
    leading = (1,) * (4 - tensor.rank)
    return draft.constant(tensor.value.reshape(leading + tensor.shape).transpose(TO_NCHW))


def pad(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    source, widths = inputs[0], _constant(inputs[1], node).astype(np.int64)
    if not widths.any():
        return [source]
    filling = float(_constant(inputs[2], node)) if node.op == "PadV2" else 0.0
    ordered = widths[list(TO_NCHW)] if source.nchw else widths
    names = [
        source.name,
        draft.constant(np.concatenate([ordered[:, 0], ordered[:, 1]]), "pads"),
        draft.constant(np.array(max(filling, _LOWEST), np.float32), "filling"),
    ]
    shape = tuple(
        side + int(both) for side, both in zip(source.shape, widths.sum(axis=1), strict=True)
    )
    return [Tensor(shape, draft.emit("Pad", names, node.name), nchw=source.nchw)]


def transpose(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    """Between NHWC and NCHW only the note of which way round it lies changes."""
    source, order = inputs[0], tuple(int(each) for each in _constant(inputs[1], node))
    shape = tuple(source.shape[axis] for axis in order)
    if source.nchw and order == TO_NCHW:
        return [Tensor(shape, source.name)]
    if not source.nchw and order == TO_NHWC:
        return [Tensor(shape, source.name, nchw=True)]
    output = draft.emit("Transpose", [draft.plain(source)], node.name, perm=order)
    return [Tensor(shape, output)]


def resize_bilinear(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    source = inputs[0]
    height, width = (int(each) for each in _constant(inputs[1], node))
    mode = "asymmetric"
    if node.flag("align_corners"):
        mode = "align_corners"
    elif node.flag("half_pixel_centers"):
        mode = "half_pixel"
    # Factors instead of a size: a size would have to name the batch.
    factors = [1, 1, height / source.shape[1], width / source.shape[2]]
    names = [draft.nchw(source), "", draft.constant(np.array(factors, np.float32), "factors")]
    output = draft.emit(
        "Resize", names, node.name, mode="linear", coordinate_transformation_mode=mode
    )
    return [Tensor((source.shape[0], height, width, source.shape[3]), output, nchw=True)]


def concat(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    *parts, last = inputs
    axis = int(_constant(last, node)) % parts[0].rank
    nchw = all(each.nchw for each in parts)
    names = [each.name if nchw else draft.plain(each) for each in parts]
    shape = list(parts[0].shape)
    shape[axis] = sum(each.shape[axis] for each in parts)
    result = Tensor(tuple(shape), nchw=nchw)
    output = draft.emit("Concat", names, node.name, axis=result.axis(axis))
    return [Tensor(result.shape, output, nchw=nchw)]


def split(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    source, sizes = inputs[0], _constant(inputs[1], node).astype(np.int64)
    axis = int(_constant(inputs[2], node)) % source.rank
    names = draft.emit_many(
        "Split",
        [source.name, draft.constant(sizes, "sizes")],
        len(sizes),
        node.name,
        axis=source.axis(axis),
    )
    shapes = [(*source.shape[:axis], int(size), *source.shape[axis + 1 :]) for size in sizes]
    return [
        Tensor(shape, name, nchw=source.nchw) for shape, name in zip(shapes, names, strict=True)
    ]


def reshape(node: Node, inputs: Sequence[Tensor], draft: OnnxDraft) -> list[Tensor]:
    """The leading 1, TensorFlow's batch, becomes "as it comes" (0 in ONNX)."""
    source, wanted = inputs[0], [int(each) for each in _constant(inputs[1], node)]
    shape = list(wanted)
    if -1 in shape:
        known = -int(np.prod(shape))
        shape[shape.index(-1)] = int(np.prod(source.shape)) // known
    target = np.array([0 if wanted[0] == 1 else wanted[0], *wanted[1:]], np.int64)
    names = [draft.plain(source), draft.constant(target, "shape")]
    return [Tensor(tuple(shape), draft.emit("Reshape", names, node.name))]


def _constant(tensor: Tensor, node: Node) -> Array:
    if tensor.value is None:
        raise RejectError(f"{node.name} ({node.op}): expected a constant", code="convert")
    return tensor.value


def _pads(
    node: Node,
    size: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    """ONNX pads (top, left, bottom, right). SAME puts the odd pixel at the bottom and right."""
    if node.text("padding") != "SAME":
        return [0, 0, 0, 0]
    before, after = [], []
    for side, taps, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
        reach = (taps - 1) * dilation + 1
        total = max((-(-side // stride) - 1) * stride + reach - side, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return before + after


def _windows(
    size: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
) -> tuple[int, int]:
    """Height and width after a kernel has gone over (H, W) with its pads."""
    sides = []
    for i in (0, 1):
        room = size[i] + pads[i] + pads[i + 2] - (kernel[i] - 1) * dilations[i] - 1
        sides.append(room // strides[i] + 1)
    return sides[0], sides[1]


def _sparse_to_dense(places: Array, size: Array, values: Array, filling: Array) -> Array:
    dense = np.full(size, filling, filling.dtype)
    rows = places.reshape(-1, len(size))
    for row, value in zip(rows, np.broadcast_to(values, len(rows)), strict=True):
        dense[tuple(row)] = value
    return dense


OPERATORS: dict[str, Operator] = {
    "Add": add,
    "AddV2": add,
    "BiasAdd": add,
    "ConcatV2": concat,
    "Conv2D": conv_2d,
    "_FusedConv2D": conv_2d,
    "DepthwiseConv2dNative": depthwise_conv_2d,
    "FusedDepthwiseConv2dNative": depthwise_conv_2d,
    "Identity": identity,
    "LeakyRelu": leaky_relu,
    "MaxPool": max_pool,
    "Pad": pad,
    "PadV2": pad,
    "Reshape": reshape,
    "ResizeBilinear": resize_bilinear,
    "Sigmoid": sigmoid,
    "SplitV": split,
    "Transpose": transpose,
}

FOLDS: dict[str, Fold] = {
    "Add": lambda one, other: one + other,
    "AddV2": lambda one, other: one + other,
    "ConcatV2": lambda *parts: np.concatenate(
        [np.atleast_1d(each) for each in parts[:-1]], int(parts[-1])
    ),
    "Identity": lambda value: value,
    "Reshape": lambda value, shape: value.reshape(shape),
    "SparseToDense": _sparse_to_dense,
    "Transpose": lambda value, order: value.transpose(order),
}
"""What is worked out at once where every input is a constant."""
