"""INT8 layers on an emulated processor with AVX2 and no VNNI: 16-bit sums lose nothing there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from needs import needs_tool

CPU = "Haswell"
LAYERS = """
import numpy as np, onnxruntime as ort
from onnx import TensorProto, helper as h, numpy_helper as nh
from nasfarm_models.quantize.rounding import limits_for

def differ(numbers, groups):
    # Steps by which the fused kernel and the exact sum differ, at the largest inputs there are.
    out, channels, height, width = numbers.shape
    taps = channels * height * width
    values = dict(s=np.float32(1 / 255), z=np.uint8(0), w=numbers.astype(np.int8),
        ws=np.full(out, 1 / 64, np.float32), wz=np.zeros(out, np.int8),
        os=np.float32(taps * 4 / 255), oz=np.uint8(128))
    pads = [height // 2, width // 2] * 2
    nodes = [h.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        h.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        h.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        h.make_node("Conv", ["d", "wd"], ["y"], group=groups, pads=pads),
        h.make_node("QuantizeLinear", ["y", "os", "oz"], ["yq"]),
        h.make_node("DequantizeLinear", ["yq", "os", "oz"], ["o"])]
    graph = h.make_graph(nodes, "g",
        [h.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels * groups, 12, 12])],
        [h.make_tensor_value_info("o", TensorProto.FLOAT, None)],
        [nh.from_array(np.asarray(v), k) for k, v in values.items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    found = []
    for level in (ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
                  ort.GraphOptimizationLevel.ORT_DISABLE_ALL):
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.graph_optimization_level = 1, level
        session = ort.InferenceSession(model.SerializeToString(), options)
        ones = np.ones((1, channels * groups, 12, 12), np.float32)
        found.append(session.run(None, {"x": ones})[0])
    return round(float(np.abs(found[0] - found[1]).max() / values["os"]), 2)

def fullest(shape, groups):
    # The largest weights that the limits let through, all of one sign.
    limits = limits_for((shape[0] // groups, *shape[1:]), wide_sums=False)
    row = np.full(shape[1] * shape[2] * shape[3], limits.most)
    first = np.arange(len(row)) < limits.partners
    row[first], row[limits.partners[first]] = 64, 63
    return np.tile(row, (shape[0], 1)).reshape(shape)

held = [((16, 64, 1, 1), 1), ((16, 7, 1, 1), 1), ((16, 32, 3, 3), 1), ((16, 3, 3, 3), 1),
    ((32, 1, 3, 3), 32), ((64, 1, 3, 3), 32), ((32, 8, 3, 3), 4)]
print("held", max(differ(fullest(*each), each[1]) for each in held))
print("free", differ(np.full((16, 32, 3, 3), 127), 1))
"""


def test_weights_within_the_limits_overflow_no_16_bit_sum(tmp_path: Path) -> None:
    qemu = needs_tool("qemu-x86_64-static", "qemu-user-static")
    script = tmp_path / "layers.py"
    script.write_text(LAYERS)
    done = subprocess.run(
        [qemu, "-cpu", CPU, sys.executable, str(script)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    said = dict(line.split() for line in done.stdout.splitlines())
    assert float(said["held"]) == 0.0, done.stderr
    # Without the limits the same processor is far off: so the test can fail.
    assert float(said["free"]) > 5
