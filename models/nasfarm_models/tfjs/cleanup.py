"""A converted ONNX model to the same model with fewer nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

_SIDES = (2, 3, 6, 7)
"""Where H and W, begin and end, lie in the eight pads of an N, C, H, W tensor."""
_LOW_ENOUGH = -1e30


def fold_pads(model: ModelProto) -> None:
    """Move a Pad of height and width into the Conv or MaxPool that alone reads it."""
    graph = model.graph
    readers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    constants = {each.name: each for each in graph.initializer}
    outputs = {each.name for each in graph.output}
    folded = []
    for node in graph.node:
        if node.op_type != "Pad" or node.output[0] in outputs:
            continue
        pads = [int(each) for each in numpy_helper.to_array(constants[node.input[1]])]
        filling = float(numpy_helper.to_array(constants[node.input[2]]))
        users = readers[node.output[0]]
        if _can_take(users, pads, filling):
            for user in users:
                _take(user, node.input[0], [pads[i] for i in _SIDES])
            folded.append(node)
    for node in folded:
        graph.node.remove(node)


def _can_take(users: Sequence[NodeProto], pads: Sequence[int], filling: float) -> bool:
    only_sides = len(pads) == 8 and not any(pads[i] for i in range(8) if i not in _SIDES)
    if not only_sides or min(pads) < 0:
        return False
    # A convolution pads with 0, a maximum with what never wins.
    taker = "Conv" if filling == 0 else "MaxPool" if filling < _LOW_ENOUGH else ""
    return all(user.op_type == taker for user in users)


def _take(user: NodeProto, source: str, extra: Sequence[int]) -> None:
    user.input[0] = source
    for attribute in user.attribute:
        if attribute.name == "pads":
            both = zip(attribute.ints, extra, strict=True)
            attribute.ints[:] = [own + more for own, more in both]


def drop_unused_constants(model: ModelProto) -> None:
    """Leave only the initializers that some node reads."""
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def rename_tensors(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give tensors other names, wherever they are written or read."""
    for node in graph.node:
        node.input[:] = [names.get(each, each) for each in node.input]
        node.output[:] = [names.get(each, each) for each in node.output]
