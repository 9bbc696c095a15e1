"""An FP32 model and example inputs to what its layers saw: samples of values and Gram matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto

from nasfarm_models.quantize.graph import F32, PASSES, Convolution, Graph
from nasfarm_models.quantize.processor import cores

_SAMPLE = 3000
"""Values kept of one tensor of one picture: the tails are known from the extremes anyway."""
_PLACES = 80
"""Places of a layer's output whose inputs go into its Gram matrix, of one picture."""
_TOGETHER = 6
"""Pictures whose places are multiplied at once: one by one takes three times as long."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What a convolution's weights were multiplied with; k in the order of the weights.

    mean: (groups, k). gram: (groups, k, k), the mean products of what deviates from that mean.
    """

    mean: F32
    gram: F32


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What was seen over all pictures.

    extremes: tensor → its least and largest value. samples: tensor → some of its values.
    inputs: convolution → what its weights were multiplied with.
    """

    extremes: Mapping[str, tuple[float, float]]
    samples: Mapping[str, F32]
    inputs: Mapping[str, Inputs]


def observe(graph: Graph, tensors: Iterable[F32]) -> Observed:
    """Run the model on every example and take notes; the same examples give the same notes.

    tensors: (1, 3, h, w) each, normalised.
    """
    watched = _watched(graph)
    session = _session(graph.model, [name for name in watched if name != graph.input])
    names = [each.name for each in session.get_outputs()]
    extremes: dict[str, tuple[float, float]] = {}
    samples: dict[str, list[F32]] = {name: [] for name in watched}
    inputs = _InputSums(graph.convolutions)
    for number, tensor in enumerate(tensors):
        chance = np.random.default_rng(number)
        seen = dict(zip(names, session.run(None, {graph.input: tensor}), strict=True))
        seen[graph.input] = tensor
        for name in watched:
            values = seen[name].reshape(-1)
            least, most = extremes.get(name, (np.inf, -np.inf))
            extremes[name] = min(least, float(values.min())), max(most, float(values.max()))
            samples[name].append(values[chance.integers(0, len(values), _SAMPLE)])
        inputs.add(seen, chance)
    together = {name: np.concatenate(parts) for name, parts in samples.items()}
    return Observed(extremes, together, inputs.means())


class _InputSums:
    """Sums of layers' inputs and of their products, while pictures come in."""

    def __init__(self, layers: Sequence[Convolution]) -> None:
        self._layers = layers
        self._waiting: dict[str, list[F32]] = {each.node: [] for each in layers}
        self._sums: dict[str, F32] = {}
        self._products: dict[str, F32] = {}
        self._places = {each.node: 0 for each in layers}

    def add(self, seen: Mapping[str, F32], chance: np.random.Generator) -> None:
        """seen: tensor → (1, channels, h, w), of one picture."""
        for layer in self._layers:
            waiting = self._waiting[layer.node]
            waiting.append(windows(layer, seen[layer.source][0], chance))
            if len(waiting) == _TOGETHER:
                self._multiply(layer.node)

    def means(self) -> dict[str, Inputs]:
        found = {}
        for layer in self._layers:
            self._multiply(layer.node)
            places = np.float32(self._places[layer.node])
            mean = self._sums[layer.node] / places
            gram = self._products.pop(layer.node) / places
            gram -= mean[:, :, None] * mean[:, None, :]
            found[layer.node] = Inputs(mean, gram)
        return found

    def _multiply(self, name: str) -> None:
        if not self._waiting[name]:
            return
        inputs = np.concatenate(self._waiting[name], axis=1)
        self._waiting[name].clear()
        self._places[name] += inputs.shape[1]
        products = np.swapaxes(inputs, 1, 2) @ inputs
        if name in self._products:
            self._products[name] += products
            self._sums[name] += inputs.sum(axis=1)
        else:
            self._products[name] = products
            self._sums[name] = inputs.sum(axis=1)


def windows(layer: Convolution, source: F32, chance: np.random.Generator) -> F32:
    """(groups, places, k): the inputs of some output places, in the order of the weights."""
    top, left, bottom, right = layer.pads
    padded = np.pad(source, ((0, 0), (top, bottom), (left, right)))
    height, width = layer.weights.shape[2:]
    down, across = layer.dilations
    places_down = (padded.shape[1] - down * (height - 1) - 1) // layer.strides[0] + 1
    places_across = (padded.shape[2] - across * (width - 1) - 1) // layer.strides[1] + 1
    count = min(_PLACES, places_down * places_across)
    place = chance.choice(places_down * places_across, count, replace=False)
    row = place // places_across * layer.strides[0]
    column = place % places_across * layer.strides[1]
    rows = row[:, None, None] + down * np.arange(height)[:, None]
    columns = column[:, None, None] + across * np.arange(width)
    windows = padded[:, rows, columns]  # (channels, places, kh, kw)
    grouped = windows.reshape(layer.groups, -1, count, height * width)
    return np.swapaxes(grouped, 1, 2).reshape(layer.groups, count, -1)


def _watched(graph: Graph) -> list[str]:
    """Tensors that may get a range: what convolutions, and what is between them, read and give."""
    found: dict[str, None] = {}
    for layer in graph.convolutions:
        found |= {layer.source: None, layer.result: None}
    for node in graph.nodes:
        if node.op_type in PASSES:
            found |= {name: None for name in (*node.input, *node.output)}
    return [name for name in found if name and name not in graph.values]


def _session(model: ModelProto, watched: Sequence[str]) -> onnxruntime.InferenceSession:
    """The model with those tensors as its only outputs, on all cores this process may use."""
    opened = ModelProto()
    opened.CopyFrom(model)
    del opened.graph.output[:]
    opened.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in watched
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # outputs are looked at and gone; kept, they add up
    return onnxruntime.InferenceSession(
        opened.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
