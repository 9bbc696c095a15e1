"""EfficientNet-Lite without PyTorch: its weight file is read, never run, and the graph is right."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from nasfarm.errors import RejectError
from nasfarm_models.efficientnet.convert import STRIDES, convert_efficientnet_lite, network
from nasfarm_models.efficientnet.torchfile import read_tensors

Weights = dict[str, NDArray[Any]]
HEAD = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
NAMES = {"<f4": "FloatStorage", "<i8": "LongStorage"}


class Torch:
    """As much of PyTorch's names as its weight files mention, for the pickler to find."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.torch, self.utils = ModuleType("torch"), ModuleType("torch._utils")
        for name in NAMES.values():
            setattr(self.torch, name, type(name, (), {"__module__": "torch"}))

        def _rebuild_tensor_v2() -> None: ...

        _rebuild_tensor_v2.__module__ = "torch._utils"
        _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
        self.utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
        patch.setitem(sys.modules, "torch", self.torch)
        patch.setitem(sys.modules, "torch._utils", self.utils)

    def saved(self, described: object, storages: Weights, head: tuple[object, ...] = HEAD) -> bytes:
        """A weight file that says `described` of these storages."""
        file = io.BytesIO()
        for value in (*head, described, list(storages)):
            pickler = pickle.Pickler(file, protocol=2)
            pickler.persistent_id = self._storage  # type: ignore[method-assign]
            pickler.dump(value)
        for numbers in storages.values():
            file.write(struct.pack("<q", numbers.size) + numbers.tobytes())
        return file.getvalue()

    def tensor(
        self, storage: str, dtype: str, offset: int, shape: tuple[int, ...], *strides: int
    ) -> object:
        """What stands in the file for a tensor."""
        rebuild = self.utils._rebuild_tensor_v2
        place = Storage((storage, getattr(self.torch, NAMES[dtype])))
        parts = (place, offset, shape, strides, False, OrderedDict())
        return type("Tensor", (), {"__reduce__": lambda _: (rebuild, parts)})()

    def file_of(self, weights: Weights) -> bytes:
        """A weight file of these tensors, each in a storage of its own."""
        described = OrderedDict(
            (name, self.tensor(name, value.dtype.str, 0, value.shape, *strides_of(value)))
            for name, value in weights.items()
        )
        return self.saved(described, weights)

    @staticmethod
    def _storage(value: object) -> object:
        return ("storage", value[1], value[0], "cpu", 0, None) if type(value) is Storage else None


class Storage(tuple[Any, ...]):
    """Name and class of a storage; the pickler writes it as a reference."""


def strides_of(value: NDArray[Any]) -> tuple[int, ...]:
    return tuple(step // value.itemsize for step in value.strides)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Torch:
    return Torch(monkeypatch)


def test_tensors_come_out_of_the_file_as_they_went_in(torch: Torch) -> None:
    weights: Weights = {
        "conv.weight": np.arange(24, dtype="<f4").reshape(2, 3, 2, 2),
        "steps": np.array(7, dtype="<i8"),
    }
    got = read_tensors(torch.file_of(weights), "a.pth")
    assert list(got) == list(weights)
    for name, wanted in weights.items():
        assert got[name].dtype == wanted.dtype
        np.testing.assert_array_equal(got[name], wanted)


def test_tensors_may_share_a_storage_and_lie_in_it_sideways(torch: Torch) -> None:
    numbers = np.arange(6, dtype="<f4")
    described = {
        "turned": torch.tensor("s", "<f4", 0, (3, 2), 1, 3),
        "last": torch.tensor("s", "<f4", 4, (2,), 1),
    }
    got = read_tensors(torch.saved(described, {"s": numbers}), "a.pth")
    np.testing.assert_array_equal(got["turned"], numbers.reshape(2, 3).T)
    np.testing.assert_array_equal(got["last"], [4, 5])


class Call:
    """What, unpickled, calls a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.parts = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.parts


@pytest.mark.parametrize("place", range(5))
def test_a_file_that_would_run_something_is_refused_before_it_does(
    torch: Torch, tmp_path: Path, place: int
) -> None:
    trace = tmp_path / "it-ran"
    evil = [*HEAD, {"w": Call(os.mkdir, str(trace))}, ["s"]]
    evil[place] = Call(os.mkdir, str(trace))
    with pytest.raises(RejectError, match=r"a\.pth: .*asks for (posix|nt)\.mkdir") as caught:
        read_tensors(b"".join(pickle.dumps(part, protocol=2) for part in evil), "a.pth")
    assert caught.value.code == "convert"
    assert not trace.exists()
    pickle.loads(pickle.dumps(evil[place], protocol=2))
    assert trace.exists()  # with Python's own unpickler it does run


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(b"cbuiltins\neval\n.", id="eval"),
        pytest.param(b"ctorch\nload\n.", id="another-of-torch"),
        pytest.param(b"ccollections\nabc\n.", id="another-of-collections"),
        pytest.param(b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.", id="dotted"),
        pytest.param(b"\x80\x04\x8c\x02os\x8c\x06system\x93.", id="protocol-4"),
    ],
)
def test_only_the_four_names_of_weights_are_known(known: bytes) -> None:
    with pytest.raises(RejectError, match="which no weights need"):
        read_tensors(known, "a.pth")


NUMBERS = np.zeros(4, "<f4")


def whole(torch: Torch, head: tuple[object, ...] = HEAD) -> bytes:
    return torch.saved({"w": torch.tensor("s", "<f4", 0, (2, 2), 2, 1)}, {"s": NUMBERS}, head)


def described_as(*tensor: Any) -> Callable[[Torch], bytes]:
    return lambda torch: torch.saved({"w": torch.tensor(*tensor)}, {"s": NUMBERS})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda torch: whole(torch)[:-1], id="cut-in-the-numbers"),
        pytest.param(lambda torch: whole(torch)[:40], id="cut-in-the-pickles"),
        pytest.param(lambda _: b"PK\x03\x04" + bytes(100), id="zip"),
        pytest.param(lambda torch: whole(torch, (1, 1001, HEAD[2])), id="other-magic"),
        pytest.param(lambda torch: whole(torch, (*HEAD[:2], {})), id="high-byte-first"),
        pytest.param(lambda torch: torch.saved(["w"], {"s": NUMBERS}), id="no-tensors"),
        pytest.param(lambda torch: torch.saved({"w": 3.0}, {"s": NUMBERS}), id="no-tensor"),
        pytest.param(described_as("t", "<f4", 0, (2, 2), 2, 1), id="storage-missing"),
        pytest.param(described_as("s", "<f4", 2, (2, 2), 2, 1), id="outside"),
        pytest.param(described_as("s", "<f4", 0, (10**6, 10**6), 0, 0), id="endless"),
        pytest.param(described_as("s", "<f4", 3, (2,), -1), id="backwards"),
    ],
)
def test_a_damaged_file_is_named(torch: Torch, content: Callable[[Torch], bytes]) -> None:
    with pytest.raises(RejectError, match=r"^a\.pth: ") as caught:
        read_tensors(content(torch), "a.pth")
    assert caught.value.code == "convert"


# -- the graph ---------------------------------------------------------------------------------

SIDE, CLASSES, WIDTH = 32, 11, 12
CHANNELS = (4, 6, 6, 8, 8, 6, 6, 6, 8, 8, 8, 10, 10, 10, 10, 14)
KERNELS = (3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3)
"""EfficientNet-Lite0's own kernels; channels so few that numpy can follow."""


def small_weights() -> Weights:
    chance = np.random.default_rng(5)
    weights: Weights = {}

    def conv(name: str, norm: str, *shape: int) -> None:
        fan_in = shape[1] * shape[2] * shape[3]
        weights[f"{name}.weight"] = chance.normal(0, (2 / fan_in) ** 0.5, shape)
        out = shape[0]
        weights[f"{norm}.weight"] = chance.uniform(0.5, 2, out)
        weights[f"{norm}.bias"] = chance.normal(0.5, 0.5, out)
        weights[f"{norm}.running_mean"] = chance.normal(0, 0.3, out)
        weights[f"{norm}.running_var"] = chance.uniform(0.0, 2, out)

    conv("_conv_stem", "_bn0", 6, 3, 3, 3)
    into = 6
    for number, (out, kernel) in enumerate(zip(CHANNELS, KERNELS, strict=True)):
        name = f"_blocks.{number}."
        wide = into if number == 0 else 2 * into
        if number:
            conv(f"{name}_expand_conv", f"{name}_bn0", wide, into, 1, 1)
        conv(f"{name}_depthwise_conv", f"{name}_bn1", wide, 1, kernel, kernel)
        conv(f"{name}_project_conv", f"{name}_bn2", out, wide, 1, 1)
        into = out
    conv("_conv_head", "_bn1", WIDTH, into, 1, 1)
    weights["_fc.weight"] = chance.normal(0, 1, (CLASSES, WIDTH))
    weights["_fc.bias"] = chance.normal(0, 1, CLASSES)
    return {name: value.astype("<f4") for name, value in weights.items()}


class Reference:
    """The network as it was trained: normalisation as a step of its own, TensorFlow's padding."""

    def __init__(self, weights: Weights) -> None:
        self.weights = {name: value.astype(np.float64) for name, value in weights.items()}

    def conv(self, x: NDArray[Any], name: str, stride: int = 1) -> NDArray[Any]:
        weight = self.weights[f"{name}.weight"]
        kernel = weight.shape[2]
        pads = []
        for side in x.shape[2:]:
            over = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pads.append((over // 2, over - over // 2))
        padded = np.pad(x, [(0, 0), (0, 0), *pads])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
        windows = windows[:, :, ::stride, ::stride]
        if "depthwise" in name:
            return np.einsum("nchwij,cij->nchw", windows, weight[:, 0])
        return np.einsum("nchwij,ocij->nohw", windows, weight)

    def norm(self, x: NDArray[Any], name: str) -> NDArray[Any]:
        gain, shift, mean, variance = (
            self.weights[f"{name}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 0.001) * gain + shift

    def run(self, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Probabilities and embedding."""
        x = relu6(self.norm(self.conv(x, "_conv_stem", 2), "_bn0"))
        for number, stride in enumerate(STRIDES):
            name, before = f"_blocks.{number}.", x
            if number:
                x = relu6(self.norm(self.conv(x, f"{name}_expand_conv"), f"{name}_bn0"))
            x = relu6(self.norm(self.conv(x, f"{name}_depthwise_conv", stride), f"{name}_bn1"))
            x = self.norm(self.conv(x, f"{name}_project_conv"), f"{name}_bn2")
            if stride == 1 and x.shape == before.shape:
                x = x + before
        embedding = relu6(self.norm(self.conv(x, "_conv_head"), "_bn1")).mean(axis=(2, 3))
        logits = embedding @ self.weights["_fc.weight"].T + self.weights["_fc.bias"]
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True), embedding


def relu6(x: NDArray[Any]) -> NDArray[Any]:
    return np.clip(x, 0, 6)


def opened(weights: Weights) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = network(weights, SIDE).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def test_the_folded_graph_computes_what_the_unfolded_network_does() -> None:
    weights = small_weights()
    images = np.random.default_rng(6).normal(0, 1, (3, 3, SIDE, SIDE)).astype(np.float32)
    classes, embedding = opened(weights).run(None, {"images": images})
    wanted_classes, wanted_embedding = Reference(weights).run(images.astype(np.float64))
    assert wanted_embedding.std(axis=0).max() > 0.1, "the images must differ for it to show"
    np.testing.assert_allclose(embedding, wanted_embedding, atol=2e-4)
    np.testing.assert_allclose(classes, wanted_classes, atol=2e-4)


def test_the_graph_has_49_convolutions_and_no_normalisation_and_takes_any_batch() -> None:
    weights = small_weights()
    operations = [node.op_type for node in network(weights, SIDE).graph.node]
    assert operations.count("Conv") == 49
    assert operations.count("Add") == 9
    assert "BatchNormalization" not in operations
    session = opened(weights)
    assert [each.name for each in session.get_outputs()] == ["classes", "embedding"]
    images = np.random.default_rng(7).normal(0, 1, (2, 3, SIDE, SIDE)).astype(np.float32)
    both = session.run(None, {"images": images})
    alone = session.run(None, {"images": images[1:]})
    for together, single in zip(both, alone, strict=True):
        np.testing.assert_allclose(together[1:], single, atol=1e-6)


def test_a_file_of_another_network_is_refused(torch: Torch, tmp_path: Path) -> None:
    weights = small_weights()
    del weights["_blocks.7._depthwise_conv.weight"]
    path = tmp_path / "other.pth"
    path.write_bytes(torch.file_of(weights))
    with pytest.raises(RejectError, match=r"other\.pth: it has no '_blocks\.7\._depthwise_conv"):
        convert_efficientnet_lite(path)
