"""A small network through the quantizer: what becomes INT8, what stays, and how close it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, helper

import smallnet
from nasfarm.errors import RejectError
from nasfarm_models.inputs import Examples, photo_batches
from nasfarm_models.quantize.emit import int8_model, int8_nodes
from nasfarm_models.quantize.graph import Graph, graph_of
from nasfarm_models.quantize.observe import observe
from nasfarm_models.quantize.prepare import Prepared, prepare

F32 = NDArray[np.float32]


@pytest.fixture(scope="module")
def network() -> ModelProto:
    return smallnet.trained(smallnet.network())


@pytest.fixture(scope="module")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> list[F32]:
    photos = smallnet.write_photos(tmp_path_factory.mktemp("photos"), 24)
    return [each.tensor for each in photo_batches(photos, smallnet.SPEC)]


@pytest.fixture(scope="module")
def graph(network: ModelProto) -> Graph:
    return graph_of(network)


@pytest.fixture(scope="module")
def prepared(graph: Graph, tensors: list[F32]) -> Prepared:
    return prepare(graph, observe(graph, tensors[:15]))


def outputs(model: ModelProto, tensors: list[F32]) -> F32:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), disabled_optimizers=["WeightBiasQuantization"]
    )
    (found,) = session.run(["embedding"], {"images": np.concatenate(tensors)})
    return np.asarray(found, np.float32)


def kinds(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("kept", [0, 1, 3])
@pytest.mark.parametrize("ranges", ["full", "searched"])
def test_int8_is_close_to_fp32_on_photos_it_has_not_seen(
    network: ModelProto,
    graph: Graph,
    prepared: Prepared,
    tensors: list[F32],
    kept: int,
    ranges: str,
) -> None:
    made = int8_model(graph, kept, prepared.ranges[ranges], prepared.weights)  # type: ignore[index]
    wanted, got = outputs(network, tensors[15:]), outputs(made, tensors[15:])
    assert np.abs(got - wanted).mean() < 0.02 * np.abs(wanted).mean()


def test_the_kept_run_stays_fp32_and_all_after_it_is_int8(graph: Graph, prepared: Prepared) -> None:
    assert int8_nodes(graph, 0) == {"stem", "deep", "wide", "sum", "last"}
    # What adds the FP32 stem to an INT8 layer's result stands between INT8 layers all the same.
    assert int8_nodes(graph, 2) == {"wide", "sum", "last"}
    assert int8_nodes(graph, 3) == {"last"}
    made = int8_model(graph, 1, prepared.ranges["full"], prepared.weights)
    kept = {each.name: each.data_type for each in made.graph.initializer}
    assert kept["stem.w"] == onnx.TensorProto.FLOAT
    assert kept["wide.weight.whole"] == onnx.TensorProto.INT8
    assert "wide.w" not in kept


def test_a_relu_falls_away_where_an_unsigned_range_does_its_work(
    network: ModelProto, graph: Graph, prepared: Prepared
) -> None:
    assert kinds(network)["Relu"] == 4
    made = int8_model(graph, 1, prepared.ranges["full"], prepared.weights)
    assert kinds(made)["Relu"] == 1
    # What reads the last result (pool, readout, softmax) is left as it was.
    assert kinds(made)["MatMul"] == kinds(made)["Softmax"] == 1


def test_the_same_photos_give_the_same_bytes(
    graph: Graph, prepared: Prepared, tensors: list[F32]
) -> None:
    again = prepare(graph, observe(graph, tensors[:15]))
    first, second = (
        int8_model(graph, 1, each.ranges["searched"], each.weights).SerializeToString()
        for each in (prepared, again)
    )
    assert first == second


def test_the_bias_takes_up_the_mean_of_the_rounding_error(
    network: ModelProto, graph: Graph, prepared: Prepared, tensors: list[F32]
) -> None:
    made = int8_model(graph, 0, prepared.ranges["full"], prepared.weights)
    wanted, got = outputs(network, tensors[:15]), outputs(made, tensors[:15])
    assert np.abs((got - wanted).mean(axis=0)).max() < 0.02 * np.abs(wanted).mean()


def test_a_model_without_convolutions_is_refused() -> None:
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Relu", ["a"], ["b"])], "none",
        [helper.make_tensor_value_info("a", kind, [1])],
        [helper.make_tensor_value_info("b", kind, [1])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    with pytest.raises(RejectError, match="no convolution"):
        graph_of(model)


def test_each_photo_comes_as_it_is_and_in_other_forms_next_to_it(tmp_path: Path) -> None:
    photos = smallnet.write_photos(tmp_path, 3)
    plain = np.concatenate([each.tensor for each in photo_batches(photos, smallnet.SPEC)])
    examples = Examples.read(photos, smallnet.SPEC, most=4, forms=5)
    first, again = (np.concatenate([each.tensor for each in examples]) for _ in range(2))
    assert [len(each.rows) for each in examples] == [4, 4, 4, 3]
    assert (first[::5] == plain).all()
    assert (first == again).all()
    assert all((first[n] != first[n + 1]).any() for n in range(14))
