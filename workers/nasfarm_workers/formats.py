"""A file's first bytes and name to the kind of picture that cannot be read here. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_READABLE = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM")
"""How JPEG, PNG, WebP, GIF and BMP begin. Whoever begins so is read, whatever its name says:
phones and messengers do write JPEG bytes into files called .heic. TIFF is not among them, as most
raw formats are TIFF with a small preview inside, which must not pass for the photo."""

_RAW_ENDING = re.compile(
    r"3fr|arw|cr[23w]|dcr|dng|erf|fff|iiq|kdc|mef|mos|mrw|nef|nrw|orf|pef|raf|raw|rw2|rwl"
    r"|sr[2fw]|x3f"
)
_OTHER_ENDINGS = {"avif": "AVIF", "jxl": "JPEG XL"}

_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_RAW_BEGINNINGS = {
    b"FUJIFILMCCD-RAW": "Fujifilm",
    b"FOVb": "Sigma",
    b"IIU\x00": "Panasonic",
    b"IIRO": "Olympus",
    b"IIRS": "Olympus",
    b"MMOR": "Olympus",
    b"\x00MRM": "Minolta",
    b"II\x1a\x00\x00\x00HEAPCCDR": "Canon",
}


def unreadable_kind(blob: bytes, name: str, avif: bool) -> str:
    """What the picture is, where it is of a kind that is not read; "" where decoding may be tried.

    Its content decides where it tells, else the name's ending. avif: this Pillow reads AVIF.
    """
    kind = _kind_by_content(blob)
    if not kind and not blob.startswith(_READABLE):
        kind = _kind_by_ending(name)
    return "" if kind == "AVIF" and avif else kind


def is_heif(blob: bytes) -> bool:
    """Whether a file that begins so is a HEIC or HEIF picture, as phones write them."""
    return blob[4:8] == b"ftyp" and bool(_brands(blob) & _HEIF_BRANDS)


def _kind_by_content(blob: bytes) -> str:
    if blob[4:8] == b"ftyp":
        return _kind_by_brand(blob)
    if blob[:4] == b"II*\x00" and blob[8:10] == b"CR":
        return "a raw photo (Canon)"
    if blob.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")):
        return "JPEG XL"
    for beginning, maker in _RAW_BEGINNINGS.items():
        if blob.startswith(beginning):
            return f"a raw photo ({maker})"
    return ""


def _kind_by_brand(blob: bytes) -> str:
    brands = _brands(blob)
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "a raw photo (Canon)" if b"crx " in brands else ""


def _brands(blob: bytes) -> frozenset[bytes]:
    """HEIC and AVIF share a container; its list of brands (4 bytes each) tells them apart."""
    end = min(int.from_bytes(blob[:4], "big"), 256)
    return frozenset({blob[8:12]} | {blob[at : at + 4] for at in range(16, end, 4)})


def _kind_by_ending(name: str) -> str:
    ending = PurePosixPath(name).suffix.lower().removeprefix(".")
    if _RAW_ENDING.fullmatch(ending):
        return f"a raw photo ({ending.upper()})"
    return _OTHER_ENDINGS.get(ending, "")


_EXIF = b"Exif\0\0"
_APP1, _SOI, _SOS = 0xE1, 0xD8, 0xDA


def exif_of_jpeg(content: bytes) -> bytes | None:
    """The EXIF block of an ordinary JPEG, empty where it has none; None where only a whole reader
    of the format can tell: it has several, or XMP, or is no JPEG that one can follow.

    Segments before the pixels: 0xFF, a kind, two bytes of length (ITU-T T.81, B.1.1.4).
    """
    found = b""
    at = 2
    if content[:2] != bytes((0xFF, _SOI)):
        return None
    while content[at : at + 1] == b"\xff" and at + 4 <= len(content):
        kind, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if kind == _SOS:
            return found
        if kind == _APP1:
            if found or content[at + 4 : at + 10] != _EXIF:
                return None
            found = content[at + 4 : at + 2 + length]
        at += 2 + length
    return None
