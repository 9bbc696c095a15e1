"""Files that tests hand in: plain pictures, and files that only pretend to be one."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from pathlib import Path

from PIL import Image


def picture(path: Path, shade: int = 90) -> Path:
    """A small plain JPEG at `path`; its folders are made. Another shade is another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), (shade % 256, shade // 256, 60)).save(path, "JPEG")
    return path


def pictures(folder: Path, count: int, prefix: str = "") -> list[Path]:
    """`count` pictures in `folder`, in the order of their names."""
    return [picture(folder / f"{prefix}{n:04d}.jpg", n) for n in range(count)]


def png_bomb(side: int = 60_000) -> bytes:
    """A small PNG that claims, and would decode to, side × side pixels of one bit."""
    row = zlib.compressobj(1)
    packed = b"".join(row.compress(b"\0" * (side // 8 + 1)) for _ in range(side)) + row.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", packed), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def heic() -> bytes:
    """The beginning of a HEIC file, as phones write it."""
    return struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + bytes(512)


def socket_at(path: Path) -> None:
    """A socket nobody listens on; bound from within its folder, as its path may be too long."""
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)
