"""An FP32 ONNX model and example inputs to an INT8 one that is right and fast on every CPU."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization.calibrate import MinMaxCalibrater
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from nasfarm_workers.heads.head import F32

OP_TYPES = ("Add", "Concat", "Conv", "LeakyRelu", "MaxPool")
"""What becomes INT8: convolutions and what passes between them. What decodes their outputs
(Sigmoid, Split, Reshape …) stays FP32. So does Resize, which gains nothing in INT8."""


def quantize(model: ModelProto, tensors: Sequence[F32], target: Path) -> None:
    """Write the static QDQ form of `model` to `target`; the same inputs give the same bytes.

    tensors: example inputs (1, 3, h, w), normalised; their least and largest values set the ranges.
    Activations are unsigned and weights signed (the other pairs are slow), a scale a channel.
    Weights keep to 7 bits: without VNNI the CPU adds pairs of products in 16 bits, and 8 bits of
    weight would overflow there.
    """
    shaped = onnx.shape_inference.infer_shapes(model)
    quantizer = QDQQuantizer(
        model=shaped,
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=_ranges(shaped, tensors, target.parent),
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=list(OP_TYPES),
        extra_options={},
    )
    quantizer.quantize_model()
    onnx.save(quantizer.model.model, target)


def _ranges(model: ModelProto, tensors: Sequence[F32], scratch: Path) -> Any:
    """The least and largest value of every tensor, over all examples."""
    with tempfile.TemporaryDirectory(prefix=".ranges-", dir=scratch) as folder:
        plain = Path(folder) / "model.onnx"
        onnx.save(model, plain)
        calibrator = _Calibrator(plain, list(OP_TYPES), str(Path(folder) / "ranges.onnx"))
        calibrator.augment_graph()
        calibrator.create_inference_session()
        calibrator.collect_data(_Examples(model.graph.input[0].name, tensors))
        return calibrator.compute_data()


class _Calibrator(MinMaxCalibrater):  # type: ignore[misc]
    """ONNX Runtime's own, with its number of threads said: left unsaid it counts the machine's
    cores instead of the container's, and can hang.
    """

    def create_inference_session(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.infer_session = onnxruntime.InferenceSession(
            self.augmented_model_path, options, providers=["CPUExecutionProvider"]
        )


class _Examples(CalibrationDataReader):  # type: ignore[misc]
    """The example inputs, one a call, as the calibrator asks for them."""

    def __init__(self, name: str, tensors: Sequence[F32]) -> None:
        self._remaining: Iterator[dict[str, F32]] = iter([{name: each} for each in tensors])

    def get_next(self) -> dict[str, F32] | None:
        return next(self._remaining, None)
