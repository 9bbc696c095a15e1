"""A small classifier that is right about the colours of made photos: enough to be quantized."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from nasfarm.core.models import InputSpec, ModelManifest, Variant
from nasfarm.registry.publish import publish_version, sha256_of, write_description
from nasfarm.registry.store import ModelStore

F32 = NDArray[np.float32]
COLOURS = {"red": (40, 40, 200), "green": (40, 200, 40), "blue": (200, 40, 40)}
"""Label → its tint as OpenCV has it, blue first."""
SPEC = InputSpec("letterbox", 48, 48, "rgb", (127.0,) * 3, (64.0,) * 3)  # type: ignore[arg-type]
_WIDE = 48


def write_photos(folder: Path, count: int) -> list[Path]:
    """Noise with a tint, in a folder for each colour, named by what it shows and its number."""
    paths = []
    for number in range(count):
        label = list(COLOURS)[number % len(COLOURS)]
        chance = np.random.default_rng(number)
        pixels = 0.6 * np.array(COLOURS[label]) + chance.uniform(0, 100, (60, 60, 3))
        path = folder / label / f"{label}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels.astype(np.uint8))
        paths.append(path)
    return paths


def network() -> ModelProto:
    """Convolutions of every kind a quantizer has to tell apart, then classes and an embedding."""
    chance = np.random.default_rng(1)
    values: dict[str, F32] = {}
    nodes = []

    def conv(source: str, result: str, shape: tuple[int, ...], **said: object) -> str:
        spread = np.sqrt(2 / np.prod(shape[1:]))
        values[f"{result}.w"] = (spread * chance.normal(size=shape)).astype(np.float32)
        values[f"{result}.b"] = (0.1 * chance.normal(size=shape[0])).astype(np.float32)
        inputs = [source, f"{result}.w", f"{result}.b"]
        nodes.append(helper.make_node("Conv", inputs, [result], result, **said))
        nodes.append(helper.make_node("Relu", [result], [f"{result}.relu"], f"{result}.relu"))
        return f"{result}.relu"

    around = {"pads": [1, 1, 1, 1]}
    stem = conv("images", "stem", (_WIDE, 3, 3, 3), **around)
    deep = conv(stem, "deep", (_WIDE, 1, 3, 3), group=_WIDE, **around)
    wide = conv(deep, "wide", (_WIDE, _WIDE, 3, 3), **around)
    nodes.append(helper.make_node("Add", [wide, stem], ["sum"], "sum"))
    last = conv("sum", "last", (_WIDE, _WIDE, 1, 1))
    values["readout"] = np.zeros((_WIDE, 3), np.float32)
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["embedding"], "flatten"),
        helper.make_node("MatMul", ["embedding", "readout"], ["logits"], "readout"),
        helper.make_node("Softmax", ["logits"], ["classes"], "softmax"),
    ]
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 48, 48])],
        [
            helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["n", 3]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", _WIDE]),
        ],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def trained(model: ModelProto) -> ModelProto:
    """Its readout fitted to the three tints by least squares."""
    tints = np.array([colour[::-1] for colour in COLOURS.values()], np.float32)
    chance = np.random.default_rng(2)
    pixels = 0.6 * tints.repeat(8, 0)[:, :, None, None] + chance.uniform(0, 100, (24, 3, 48, 48))
    images = ((pixels - 127) / 64).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (features,) = session.run(["embedding"], {"images": images})
    readout, *_ = np.linalg.lstsq(features, 8 * np.eye(3).repeat(8, 0), rcond=None)
    kept = [each for each in model.graph.initializer if each.name != "readout"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(
        [*kept, numpy_helper.from_array(readout.astype(np.float32), "readout")]
    )
    return model


def publish_small(store: ModelStore, scratch: Path) -> ModelManifest:
    """`small@1` with FP32 only, in a store."""
    scratch.mkdir()
    onnx.save(trained(network()), scratch / "fp32.onnx")
    size = (scratch / "fp32.onnx").stat().st_size
    variant = Variant("fp32", "fp32.onnx", sha256_of(scratch / "fp32.onnx"), size)
    options = {"classes": 0.0, "embedding": 1.0}
    manifest = ModelManifest(
        "small", "1", SPEC, "classify", options, 8, {"fp32": variant}, "fp32", "none", "made here"
    )
    write_description(scratch, manifest, list(COLOURS))
    (scratch / "LICENCE.txt").write_text("none\n")
    publish_version(scratch, store)
    return manifest
