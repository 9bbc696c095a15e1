"""A TFJS graph model's JSON and weights to nodes in running order, with typed attributes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasfarm.errors import RejectError

Array = NDArray[Any]

_DTYPES = {"float32": np.float32, "int32": np.int32, "bool": np.bool_, "uint8": np.uint8}


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. inputs: `name` or `name:number` of what it reads."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def ints(self, key: str) -> tuple[int, ...]:
        """A list attribute such as `strides`, in TensorFlow's NHWC order."""
        return tuple(int(each) for each in self.attributes[key]["list"]["i"])

    def text(self, key: str) -> str:
        """A string attribute such as `padding`."""
        return base64.b64decode(self.attributes[key]["s"]).decode()

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings such as `fused_ops`; empty where there is none."""
        values = self.attributes.get(key, {}).get("list", {}).get("s", [])
        return tuple(base64.b64decode(each).decode() for each in values)

    def flag(self, key: str) -> bool:
        """A yes-or-no attribute; no where it is not given."""
        return bool(self.attributes.get(key, {}).get("b", False))

    def number(self, key: str) -> float:
        return float(self.attributes[key]["f"])

    def shape(self) -> tuple[int, ...]:
        """A placeholder's shape."""
        return tuple(int(each["size"]) for each in self.attributes["shape"]["shape"]["dim"])


@dataclass(frozen=True, slots=True)
class Graph:
    """nodes: every node an output needs, each after what it reads, constants left out.

    weights: constants by name. outputs: name in the signature, without `:0` → what it reads.
    """

    nodes: tuple[Node, ...]
    weights: Mapping[str, Array]
    outputs: Mapping[str, str]


def source_of(reference: str) -> tuple[str, int]:
    """`split:2` → ("split", 2): which node a reference means, and which of its outputs."""
    name, _, number = reference.partition(":")
    return name, int(number or 0)


def read_graph(path: Path) -> Graph:
    """model.json, with its weight files beside it. Raises RejectError where it is none."""
    try:
        record = json.loads(path.read_bytes())
        weights = _weights(record["weightsManifest"], path.parent)
        nodes = {each["name"]: _node(each) for each in record["modelTopology"]["node"]}
        outputs = record["signature"]["outputs"]
        wanted = {name.partition(":")[0]: each["name"] for name, each in outputs.items()}
    except (KeyError, ValueError, TypeError) as error:
        raise RejectError(f"{path}: not a TFJS graph model: {error!r}", code="convert") from error
    order = _running_order(nodes, weights, sorted(wanted.values()))
    return Graph(tuple(order), weights, dict(sorted(wanted.items())))


def _node(record: Mapping[str, Any]) -> Node:
    # `^name` only says "run after", which a graph without side effects can do without.
    inputs = tuple(each for each in record.get("input", []) if not each.startswith("^"))
    return Node(record["name"], record["op"], inputs, record.get("attr", {}))


def _weights(manifest: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, Array]:
    weights: dict[str, Array] = {}
    for group in manifest:
        content = b"".join((folder / name).read_bytes() for name in group["paths"])
        start = 0
        for record in group["weights"]:
            stored = _stored(record, content, start)
            start += stored.nbytes
            weights[record["name"]] = _restored(record, stored)
    return weights


def _stored(record: Mapping[str, Any], content: bytes, start: int) -> Array:
    quantization = record.get("quantization")
    dtype = np.dtype(quantization["dtype"] if quantization else _DTYPES[record["dtype"]])
    count = int(np.prod(record["shape"], dtype=np.int64))
    return np.frombuffer(content, dtype, count, start).reshape(record["shape"])


def _restored(record: Mapping[str, Any], stored: Array) -> Array:
    """Weights that were made small for the download, as numbers again."""
    quantization = record.get("quantization")
    if quantization and quantization["dtype"] != "float16":
        stored = stored.astype(np.float32) * quantization["scale"] + quantization["min"]
    return stored.astype(_DTYPES[record["dtype"]])


def _running_order(
    nodes: Mapping[str, Node], weights: Mapping[str, Array], outputs: Sequence[str]
) -> Iterator[Node]:
    """Depth first from each output; a stack of our own, as graphs are deeper than Python allows."""
    seen: set[str] = set(weights)
    stack = [(source_of(each)[0], False) for each in reversed(outputs)]
    while stack:
        name, inputs_done = stack.pop()
        if inputs_done:
            yield nodes[name]
        elif name not in seen:
            seen.add(name)
            stack.append((name, True))
            stack += [(source_of(each)[0], False) for each in nodes[name].inputs]
