"""Single parts of the pipeline against what they replace: scaled decode, INT8, the fused graph."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from book import Book
from farmyard import CORES
from ground import RECIPES, Ground
from nasfarm.core.models import InputSpec
from nasfarm_workers.bench.rounds import in_turn, ratios
from nasfarm_workers.bench.stages import pinned
from nasfarm_workers.pixels import Blob, Picture
from nasfarm_workers.runtime.batch import batches, least_scale
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.session import open_session
from nasfarm_workers.runtime.views import whole

F32 = NDArray[np.float32]
MOST_DIFFERENCE = 1.5
"""Of 255: what the eye and the model do not see."""


def decodes(ground: Ground, book: Book) -> None:
    """`decode_1080p/full`, `decode_12mp/full`: files to a model's rows, ours against all pixels."""
    spec = ground.manifest("nanodet-g").input
    for name in ("1080p", "12mp"):
        key, difference = f"decode_{name}/full", f"decode_{name}_difference"
        if not book.wants(key, difference):
            continue
        photos = ground.full_hd if name == "1080p" else ground.twelve_mp[:12]
        blobs = [Blob(photo.read_bytes()) for photo in photos]
        with pinned(CORES[0]):
            _by_turns(
                book, key, ground.rounds,
                lambda blobs=blobs: [_ours(blob, spec) for blob in blobs],
                lambda blobs=blobs: [_full(blob, spec) for blob in blobs],
            )  # fmt: skip
        apart = [_apart(_ours(blob, spec), _full(blob, spec), spec) for blob in blobs]
        book.figure(difference, [float(np.mean(apart))])
        book.figure(f"decode_{name}_file_kb", [np.mean([len(b.content) for b in blobs]) / 1000])


def _ours(blob: Blob, spec: InputSpec) -> F32:
    picture = decode(blob, "photo.jpg", enough=lambda w, h: least_scale(spec, w, h))
    assert isinstance(picture, Picture), picture
    return _row(picture, spec)


def _full(blob: Blob, spec: InputSpec) -> F32:
    pixels = np.asarray(Image.open(io.BytesIO(blob.content)).convert("RGB"))
    return _row(Picture(pixels, pixels.shape[1], pixels.shape[0]), spec)


def _row(picture: Picture, spec: InputSpec) -> F32:
    (batch,) = batches(whole([picture]), spec, 1)
    return batch.tensor[0]


def _apart(one: F32, other: F32, spec: InputSpec) -> float:
    """Mean absolute difference, of 255, where there is picture: the margins are alike in both."""
    distance = np.abs(one - other) * np.array(spec.std, np.float32)[:, None, None]
    margin = (one == one[:, :1, :1]).all(axis=(0, 2))
    return float(distance[:, ~margin].mean())


def variants(ground: Ground, book: Book, model: str) -> None:
    """`int8/fp32`: the session alone, batches of photos, one thread."""
    key = f"int8/fp32 {model}"
    if book.wants(key) and ground.has(model, "int8"):
        small, large = (open_session(ground.file(model, name), 1) for name in ("int8", "fp32"))
        rows = _rows(ground, model)
        with pinned(CORES[0]):
            _by_turns(
                book, key, ground.rounds, lambda: small.run(rows), lambda: large.run(rows), times=4
            )


def fusion(ground: Ground, book: Book, model: str) -> None:
    """`fused/disabled`: ONNX Runtime's graph optimizations against none, FP32, one thread."""
    key = f"fused/disabled {model}"
    if not book.wants(key):
        return
    path, rows = ground.file(model, "fp32"), _rows(ground, model)
    levels = onnxruntime.GraphOptimizationLevel
    fused, plain = (_at_level(path, one) for one in (levels.ORT_ENABLE_ALL, levels.ORT_DISABLE_ALL))
    with pinned(CORES[0]):
        _by_turns(book, key, ground.rounds, lambda: fused(rows), lambda: plain(rows), times=2)


def _at_level(path: Path, level: Any) -> Callable[[F32], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda rows: session.run(None, {name: rows})


def _rows(ground: Ground, model: str) -> F32:
    """A whole batch of photos as the model sees them."""
    assert model in RECIPES
    manifest = ground.manifest(model)
    photos = ground.full_hd[: manifest.batch]
    return np.stack([_ours(Blob(photo.read_bytes()), manifest.input) for photo in photos])


def _by_turns(
    book: Book, key: str, rounds: int, one: Callable[[], object], other: Callable[[], object], *,
    times: int = 1,
) -> None:  # fmt: skip
    """How many times as fast as `other` the `one` is."""
    one(), other()
    took: Sequence[list[float]] = ([], [])
    ways = {"one": lambda: _seconds(one, times), "other": lambda: _seconds(other, times)}
    for _, values in in_turn(ways, rounds):
        took[0].append(values["one"])
        took[1].append(values["other"])
    book.keep("ratios", key, ratios(took[1], took[0]))


def _seconds(act: Callable[[], object], times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - begun) / times
