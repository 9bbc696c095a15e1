"""TFJS graphs to ONNX: the same numbers come out, and what is not known is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nasfarm.errors import RejectError
from nasfarm_models.tfjs.convert import convert_tfjs
from nasfarm_workers.runtime.session import open_session

F32 = NDArray[np.float32]


def text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


def ints(*values: int) -> dict[str, Any]:
    return {"list": {"i": [str(each) for each in values]}}


def node(name: str, op: str, inputs: tuple[str, ...], **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def conv(inputs: tuple[str, ...], padding: str, stride: int) -> dict[str, Any]:
    return node(
        "last", "Conv2D", inputs,
        padding=text(padding), strides=ints(1, stride, stride, 1), dilations=ints(1, 1, 1, 1),
    )  # fmt: skip


class Model:
    """A graph in the making: an image (1, size, size, 2) in, the node `last` out."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        sides = [{"size": str(each)} for each in (1, size, size, 2)]
        shape = {"shape": {"dim": sides}}
        self.nodes = [node("image", "Placeholder", (), shape=shape)]
        self.weights: dict[str, NDArray[Any]] = {}

    def run(self, image: F32) -> F32:
        """Convert, and give the one output for images (n, size, size, 2)."""
        path = self.folder / "model.json"
        records = [
            {"name": name, "shape": list(value.shape), "dtype": str(value.dtype)}
            for name, value in self.weights.items()
        ]
        content = b"".join(value.tobytes() for value in self.weights.values())
        (self.folder / "weights.bin").write_bytes(content)
        path.write_text(
            json.dumps(
                {
                    "modelTopology": {"node": self.nodes},
                    "weightsManifest": [{"paths": ["weights.bin"], "weights": records}],
                    "signature": {"outputs": {"answer:0": {"name": "last"}}},
                }
            )
        )
        model = convert_tfjs(path)
        assert [each.name for each in model.graph.output] == ["answer"]
        target = self.folder / "model.onnx"
        target.write_bytes(model.SerializeToString())
        (output,) = open_session(target, threads=1).run(image)
        return output


@pytest.fixture
def images() -> F32:
    return np.random.default_rng(1).normal(size=(3, 5, 5, 2)).astype(np.float32)


def windows(images: F32, weights: F32, pads: tuple[int, int], stride: int) -> F32:
    """A convolution by its definition: pads before and after, weights (h, w, in, out)."""
    padded = np.pad(images, ((0, 0), pads, pads, (0, 0)))
    size = weights.shape[0]
    steps = range(0, padded.shape[1] - size + 1, stride)
    rows = [
        [np.einsum("nhwi,hwio->no", padded[:, y : y + size, x : x + size], weights) for x in steps]
        for y in steps
    ]
    return np.array(rows).transpose(2, 0, 1, 3).astype(np.float32)


@pytest.mark.parametrize(
    ("padding", "size", "stride", "pads"),
    [
        pytest.param("VALID", 3, 1, (0, 0), id="valid"),
        pytest.param("SAME", 3, 1, (1, 1), id="same"),
        pytest.param("SAME", 2, 2, (0, 1), id="same-odd-pixel-goes-last"),
        pytest.param("SAME", 3, 2, (1, 1), id="same-strided"),
    ],
)
def test_a_convolution_pads_as_tensorflow_does(
    tmp_path: Path, images: F32, padding: str, size: int, stride: int, pads: tuple[int, int]
) -> None:
    model = Model(tmp_path, size=5)
    weights = np.random.default_rng(2).normal(size=(size, size, 2, 4)).astype(np.float32)
    model.weights = {"weights": weights}
    model.nodes.append(conv(("image", "weights"), padding, stride))
    expected = windows(images, weights, pads, stride)
    np.testing.assert_allclose(model.run(images), expected, atol=1e-5)


def test_a_pad_a_bias_and_a_constant_branch_fold_away(tmp_path: Path, images: F32) -> None:
    model = Model(tmp_path, size=5)
    weights = np.random.default_rng(2).normal(size=(2, 2, 3, 2)).astype(np.float32)
    bias = np.array([0.5, -1, 2], np.float32)
    pads = np.array([[0, 0], [1, 0], [1, 0], [0, 0]], np.int32)
    order = np.array([0, 1, 3, 2], np.int32)
    identity = np.eye(2, dtype=np.float32).reshape(1, 1, 2, 2)
    model.weights = {
        "stored": weights, "order": order, "pads": pads, "bias": bias, "identity": identity,
    }  # fmt: skip
    model.nodes += [
        node("weights", "Transpose", ("stored", "order")),
        {**conv(("image", "identity"), "VALID", 1), "name": "same"},
        node("padded", "Pad", ("same", "pads")),
        {**conv(("padded", "weights"), "VALID", 1), "name": "plain"},
        node("last", "AddV2", ("plain", "bias")),
    ]
    expected = windows(images, weights.transpose(0, 1, 3, 2), (1, 0), 1) + bias
    np.testing.assert_allclose(model.run(images), expected, atol=1e-5)
    converted = convert_tfjs(tmp_path / "model.json")
    kinds = [each.op_type for each in converted.graph.node]
    assert [kind for kind in kinds if kind != "Transpose"] == ["Conv", "Conv"]


def test_splits_and_joins_keep_tensorflows_axes_and_the_batch(tmp_path: Path, images: F32) -> None:
    model = Model(tmp_path, size=5)
    model.weights = {
        "weights": np.eye(2, dtype=np.float32).reshape(1, 1, 2, 2),
        "sizes": np.array([1, 1], np.int32),
        "axis": np.array(-1, np.int32),
        "shape": np.array([1, -1, 2], np.int32),
    }
    model.nodes += [
        {**conv(("image", "weights"), "SAME", 1), "name": "same"},
        node("halves", "SplitV", ("same", "sizes", "axis")),
        node("swapped", "ConcatV2", ("halves:1", "halves", "axis")),
        node("last", "Reshape", ("swapped", "shape")),
    ]
    expected = images[..., ::-1].reshape(3, 25, 2)
    np.testing.assert_allclose(model.run(images), expected, atol=1e-6)


def test_an_unknown_operation_is_named(tmp_path: Path, images: F32) -> None:
    model = Model(tmp_path, size=5)
    model.nodes.append(node("last", "FancyNewOp", ("image",)))
    with pytest.raises(RejectError, match="last: the operation FancyNewOp is not known"):
        model.run(images)


def test_another_kind_of_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": "layers-model"}')
    with pytest.raises(RejectError, match="not a TFJS graph model"):
        convert_tfjs(tmp_path / "model.json")
