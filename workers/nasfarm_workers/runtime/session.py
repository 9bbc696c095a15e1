"""An ONNX file to a session that turns a tensor into output tensors. Only ONNX Runtime is here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from nasfarm.errors import ImageError, RejectError

F32 = NDArray[np.float32]


class Session:
    """A model that is open. Counts its runs, so that shared batches can be seen."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._input = inner.get_inputs()[0].name
        self.runs = 0

    def run(self, tensor: F32) -> Sequence[F32]:
        """One batch through the model: (n, 3, h, w) float32 in, outputs with first axis n.

        Raises ImageError where the model fails on such a tensor, or memory does not suffice.
        """
        self.runs += 1
        try:
            outputs: Sequence[F32] = self._inner.run(None, {self._input: tensor})
        except Exception as error:  # ONNX Runtime's errors share no base but this
            raise ImageError(f"the model failed on an input of {tensor.shape}: {error}") from error
        return outputs


PROVIDERS = {"cpu": "CPUExecutionProvider", "openvino": "OpenVINOExecutionProvider"}
"""What may run a model, by the names that users see; `cpu` is always there."""


def providers() -> tuple[str, ...]:
    """Those of PROVIDERS that this installation of ONNX Runtime has."""
    here = ort.get_available_providers()
    return tuple(name for name, theirs in PROVIDERS.items() if theirs in here)


@cache
def _share_memory() -> None:
    """One store of memory for all sessions of this process, which grows by what is asked for.

    Left to itself each session doubles its own whenever that does not suffice: 40 MB more for
    NanoDet, and no faster.
    """
    memory = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    as_requested = {
        "max_mem": 0,
        "arena_extend_strategy": 1,
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg(as_requested))


def open_session(path: Path, threads: int, provider: str = "cpu") -> Session:
    """Open an ONNX file with exactly `threads` threads. Raises RejectError (`model`).

    provider: one of `providers()`.
    """
    options = ort.SessionOptions()
    # Left to itself ORT counts the machine's cores, not the slot's: slower, and in a container's
    # cpuset it can crash or hang.
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.enable_mem_pattern = False  # it plans for one shape of input; 10 MB and no faster
    try:
        inner = ort.InferenceSession(
            str(path),
            options,
            providers=[PROVIDERS[provider]],
            # Left on, it turns a float convolution between quantized ones back into INT8.
            disabled_optimizers=["WeightBiasQuantization"],
        )
    except Exception as error:  # ONNX Runtime's errors share no base but this
        raise RejectError(f"{path}: cannot be opened as a model: {error}", code="model") from error
    return Session(inner)
