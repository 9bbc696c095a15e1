"""A TFJS graph model's files to an ONNX model with a free batch size."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto, helper

from nasfarm.errors import RejectError
from nasfarm_models.tfjs.cleanup import drop_unused_constants, fold_pads, rename_tensors
from nasfarm_models.tfjs.draft import OnnxDraft, Tensor
from nasfarm_models.tfjs.graph import Graph, Node, read_graph, source_of
from nasfarm_models.tfjs.operators import FOLDS, OPERATORS

OPSET = 13
INPUT = "images"
"""The input's name: float32 [N, …] in the order of axes the TFJS model has."""


def convert_tfjs(path: Path) -> ModelProto:
    """model.json, with its weight files beside it, to ONNX.

    Outputs carry the names of the model's signature, in alphabetical order.
    Raises RejectError where the model has an operation that is not known.
    """
    graph = read_graph(path)
    draft = OnnxDraft()
    known: dict[str, list[Tensor]] = {
        name: [Tensor.constant(value)] for name, value in graph.weights.items()
    }
    for node in graph.nodes:
        known[node.name] = _converted(node, known, draft)
    model = _model(graph, known, draft)
    fold_pads(model)
    drop_unused_constants(model)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    return model


def _converted(node: Node, known: dict[str, list[Tensor]], draft: OnnxDraft) -> list[Tensor]:
    if node.op == "Placeholder":
        return [Tensor(node.shape(), INPUT)]
    inputs = [known[name][number] for name, number in map(source_of, node.inputs)]
    values = [each.value for each in inputs if each.value is not None]
    if len(values) == len(inputs) and node.op in FOLDS:
        return [Tensor.constant(FOLDS[node.op](*values))]
    if node.op not in OPERATORS:
        raise RejectError(
            f"{node.name}: the operation {node.op} is not known; known are: "
            f"{', '.join(sorted(OPERATORS))}",
            code="convert",
        )
    return OPERATORS[node.op](node, inputs, draft)


def _model(graph: Graph, known: dict[str, list[Tensor]], draft: OnnxDraft) -> ModelProto:
    placeholder = next(node for node in graph.nodes if node.op == "Placeholder")
    outputs, names = [], {}
    for wanted, reference in graph.outputs.items():
        name, number = source_of(reference)
        tensor = known[name][number]
        names[draft.plain(tensor)] = wanted
        outputs.append(_described(wanted, tensor.shape))
    onnx_graph = helper.make_graph(
        draft.nodes,
        "tfjs",
        [_described(INPUT, placeholder.shape())],
        outputs,
        draft.initializers,
    )
    rename_tensors(onnx_graph, names)
    return helper.make_model(
        onnx_graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="nasfarm",
        ir_version=8,
    )


def _described(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape[1:]])
