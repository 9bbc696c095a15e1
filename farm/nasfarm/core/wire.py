"""Values to JSON, or MessagePack, and back: the one place that knows dicts. Pure.

What comes in is checked against the value's types; a mismatch is a RejectError that names the
place and the field.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_origin

import msgspec

from nasfarm.core.items import Item
from nasfarm.core.lines import Embedding, Line
from nasfarm.errors import RejectError

T = TypeVar("T")


def encode(value: object) -> bytes:
    """JSON of a frozen value or plain data, on one line."""
    return msgspec.json.encode(value)


def encode_pretty(value: object) -> bytes:
    """JSON of a frozen value or plain data, indented, ending in a line break."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def decode(kind: type[T], data: bytes, place: str) -> T:
    """JSON to a value of `kind`. Raises RejectError that begins with `place`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectError(f"{place}: {error}", code="format") from error


def convert(kind: type[T], data: object, place: str) -> T:
    """Plain data (from YAML) to a value of `kind`; a field it does not know is refused."""
    if is_dataclass(kind) and isinstance(data, Mapping):
        known = {field.name for field in fields(kind)}
        for name in data:
            if name not in known:
                raise RejectError(
                    f"{place}: '{name}' is not known; known are: {', '.join(sorted(known))}",
                    code="format",
                )
    try:
        return msgspec.convert(data, type=kind)
    except msgspec.ValidationError as error:
        raise RejectError(f"{place}: {error}", code="format") from error


def pack(value: object) -> bytes:
    """MessagePack of a value that only we read again; keys of its dicts may be any plain value."""
    return msgspec.msgpack.encode(value)


def unpack(kind: type[T], data: bytes, place: str) -> T:
    """What `pack` made of a value of `kind`. Raises RejectError that begins with `place`."""
    try:
        return msgspec.msgpack.decode(data, type=kind, dec_hook=_counter)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectError(f"{place}: {error}", code="format") from error


def _counter(kind: Any, value: Any) -> Counter[Any]:
    """msgspec knows every container that we hold but this one."""
    if get_origin(kind) is not Counter:
        raise TypeError(f"{kind}: expected a Counter")
    return Counter(value)


def plain(value: object) -> Any:
    """A frozen value as dicts and lists."""
    return msgspec.to_builtins(value)


def item_bytes(item: Item) -> bytes:
    """A line of the manifest, ending in a line break; `frame` and `same_as` only where they say
    something.
    """
    record = plain(item)
    if item.frame is None:
        del record["frame"]
    if not item.same_as:
        del record["same_as"]
    return encode(record) + b"\n"


def line_bytes(line: Line, row: int) -> bytes:
    """A result line as INTERFACE has it, ending in a line break: fields in order, nothing empty.

    row: the line's place in its chunk, and its embedding's in the chunk's .npy file.
    """
    record: dict[str, Any] = {"i": line.i, "item": line.item}
    if line.frame is not None:
        record["frame"] = plain(line.frame)
    if line.fault is not None:
        record |= {"status": "error", "error": plain(line.fault)}
    elif line.same_as:
        record |= {"status": "ok", "same_as": line.same_as}
    else:
        record |= {
            "status": "ok",
            "width": line.width,
            "height": line.height,
            "model": line.model,
        }
        if line.taken_at:
            record |= {"taken_at": line.taken_at, "time_source": line.time_source}
        if line.note:
            record["note"] = line.note
        if line.inherited is not None:
            record["inherited"] = line.inherited
        for name, value in line.fields.items():
            record[name] = row if isinstance(value, Embedding) else plain(value)
    return encode(record) + b"\n"
