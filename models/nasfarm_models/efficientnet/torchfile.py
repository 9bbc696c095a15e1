"""The bytes of a PyTorch weight file to named arrays; nothing in it is ever run.

Source: the format that `torch.save` wrote until version 1.6, which `torch.load` still reads: five
pickles (magic number, format, machine, tensors, names of the storages), then the storages' numbers.
A pickle can name any function and have it called. This reader knows the four names that weights
need, and refuses a file with any other before that is even looked up.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nasfarm.errors import RejectError

Array = NDArray[np.float32] | NDArray[np.int64]

_MAGIC = 0x1950A86A20F9469CFC6C
_FORMAT = 1001


@dataclass(frozen=True, slots=True)
class _Storage:
    """A run of numbers in the file, by the name that the file gives it."""

    name: str
    dtype: str


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor as the file describes it; offset and strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(content: bytes, place: str) -> Mapping[str, Array]:
    """Every tensor by its name, float32 or int64, in the file's order.

    Raises RejectError (code `convert`) that begins with `place`: the file is of another format,
    damaged, or asks for something that is no weight.
    """
    try:
        return _tensors(io.BytesIO(content))
    except RejectError as error:
        raise RejectError(f"{place}: {error}", code="convert") from error
    except Exception as error:  # broken pickles raise a dozen types
        raise RejectError(
            f"{place}: not a PyTorch weight file of the old format, or damaged: {error}",
            code="convert",
        ) from error


def _tensors(file: io.BytesIO) -> dict[str, Array]:
    magic, number, machine = (_Restricted(file).load() for _ in range(3))
    if (magic, number) != (_MAGIC, _FORMAT) or machine.get("little_endian") is not True:
        raise RejectError(f"got format {number!r}, wanted {_FORMAT} with the low byte first")
    described = _Restricted(file).load()
    names = _Restricted(file).load()
    if not isinstance(described, dict):
        raise RejectError(f"got {type(described).__name__}, wanted tensors by name")
    wanted: dict[str, _Tensor] = {}
    for name, tensor in described.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise RejectError(f"got {name!r}: {type(tensor).__name__}, wanted tensors by name")
        wanted[name] = tensor
    dtypes = {tensor.storage.name: tensor.storage.dtype for tensor in wanted.values()}
    numbers = {name: _numbers(file, dtypes[name]) for name in names}
    return {name: _array(each, numbers[each.storage.name]) for name, each in wanted.items()}


class _Restricted(pickle.Unpickler):
    """Unpickles plain values and the descriptions of tensors; refuses whatever else is named."""

    _KNOWN: Mapping[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch", "FloatStorage"): "<f4",
        ("torch", "LongStorage"): "<i8",
        ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, shape, strides, *_: _Tensor(
            storage, offset, shape, strides
        ),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._KNOWN:
            raise RejectError(f"it asks for {module}.{name}, which no weights need. Do not use it")
        return self._KNOWN[module, name]

    def persistent_load(self, pid: tuple[Literal["storage"], str, str, str, int, None]) -> _Storage:
        kind, dtype, name, _device, _count, view = pid
        if kind != "storage" or view is not None:
            raise RejectError(f"got a {kind}, wanted a whole storage")
        return _Storage(name, dtype)


def _numbers(file: io.BytesIO, dtype: str) -> Array:
    """The next storage: how many numbers (8 bytes), then the numbers."""
    count = int.from_bytes(file.read(8), "little")
    size = count * np.dtype(dtype).itemsize
    content = file.read(size)
    if len(content) != size:
        raise RejectError(f"cut off: got {len(content)} bytes of a storage, wanted {size}")
    return np.frombuffer(content, dtype)


def _array(tensor: _Tensor, numbers: Array) -> Array:
    """The tensor's own copy, in C order."""
    last = tensor.offset + sum(
        (side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    wanted = max(last + 1, math.prod(tensor.shape))
    if min((tensor.offset, *tensor.shape, *tensor.strides)) < 0 or wanted > len(numbers):
        raise RejectError(f"a tensor {tensor.shape} lies outside its {len(numbers)} numbers")
    size = numbers.itemsize
    strides = [stride * size for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, strides)
    return np.ascontiguousarray(view).reshape(tensor.shape)
