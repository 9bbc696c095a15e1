"""The usual article's recipe: dynamic INT8, batches of 4, a pool of 4 threads, full decode.

python article.py FP32.onnx FOLDER COUNT CHANNELS WIDTH HEIGHT: prints images a second, once warm.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic

BATCH, THREADS = 4, 4


def main() -> None:
    model, folder, count, channels, width, height = sys.argv[1:]
    files = sorted(map(str, Path(folder).iterdir()))[: int(count)]
    bgr = channels == "bgr"

    def process_frame(file: str) -> Any:
        image = cv2.resize(cv2.imread(file), (int(width), int(height)))
        pixels = image if bgr else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return ((pixels.astype(np.float32) - 127) / 128).transpose(2, 0, 1)

    with tempfile.TemporaryDirectory(prefix="article-") as scratch:
        small = str(Path(scratch) / "quantized.onnx")
        quantize_dynamic(
            model, small, op_types_to_quantize=["Conv", "MatMul"], weight_type=QuantType.QUInt8
        )
        session = onnxruntime.InferenceSession(small)
    with ThreadPoolExecutor(THREADS) as pool:
        infer(session, pool.map(process_frame, files[:BATCH]))
        begun = time.perf_counter()
        infer(session, pool.map(process_frame, files))
        print(len(files) / (time.perf_counter() - begun))


def infer(session: Any, frames: Iterator[Any]) -> list[int]:
    """All frames in batches, while the pool prepares the next ones."""
    name, found = session.get_inputs()[0].name, []
    while batch := list(islice(frames, BATCH)):
        found += [int(each.argmax()) for each in session.run(None, {name: np.stack(batch)})[0]]
    return found


if __name__ == "__main__":
    main()
