"""Broken pictures of every kind, and endless damaged ones: names and bytes, the same for a seed."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from pictures import heic, png_bomb

FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tif", "BMP": "bmp", "GIF": "gif"}
MEGABYTE = 1 << 20


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def png_head(width: int, height: int, depth: int = 8, colour: int = 0) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def tiff(*entries: tuple[int, int, int, int], following: int = 0, tail: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory; an entry is (tag, type, count, value)."""
    listed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"".join(
        [b"II*\0", struct.pack("<IH", 8, len(entries)), listed, struct.pack("<I", following), tail]
    )


def plain_tiff(width: int, height: int, *, compression: int = 1, bits: int = 8) -> bytes:
    return tiff(
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, compression),
        (262, 3, 1, 1), (273, 4, 1, 200), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 64),
        tail=bytes(256),
    )  # fmt: skip


def of_every_format(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """What can happen to a file of any format on its way."""
    for kind, ending in FORMATS.items():
        whole = saved(image, kind)
        middle = len(whole) // 2
        yield f"{kind}-half.{ending}", whole[:middle]
        yield f"{kind}-first-bytes.{ending}", whole[:16]
        yield f"{kind}-last-byte-lacks.{ending}", whole[:-1]
        yield f"{kind}-hole.{ending}", whole[:middle] + bytes(512) + whole[middle + 512 :]
        yield f"{kind}-twice.{ending}", whole + whole
        yield f"{kind}-shifted.{ending}", b"\0" + whole
        yield f"{kind}-line-ends.{ending}", whole.replace(b"\n", b"\r\n")
        yield f"{kind}-of-another-ending.{'png' if ending == 'jpg' else 'jpg'}", whole


def no_pictures(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Files that only have a picture's name."""
    yield "empty.jpg", b""
    yield "one-byte.png", b"\xff"
    yield "zeros.jpg", bytes(MEGABYTE)
    yield "ones.png", b"\xff" * MEGABYTE
    yield "noise.jpg", chance.randbytes(MEGABYTE)
    yield "text.png", b"just text\n" * 100
    yield "utf16.jpg", "Wörter\n".encode("utf-16") * 100
    yield "page.jpg", b"<!DOCTYPE html><title>404</title>"
    yield "drawing.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"
    yield "document.jpg", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"
    yield "script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    yield "program.png", b"\x7fELF\x02\x01\x01" + bytes(200)
    yield "archive.jpg", b"PK\x03\x04" + bytes(200)
    yield "packed.png", zlib.compress(bytes(10 * MEGABYTE))
    yield "film.jpg", struct.pack(">I4s4sI", 20, b"ftyp", b"isom", 512) + bytes(1000)
    yield "phone.heic", heic()
    yield "phone.jpg", heic()
    yield "raw.cr2", b"II*\0\x10\0\0\0CR\x02\0" + bytes(200)
    yield "raw.dng", plain_tiff(8, 8)
    yield "layers.psd", b"8BPS\0\x01" + bytes(200)


def lying_headers(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """JPEGs whose sizes, counts and offsets are not true, or not possible."""
    jpeg = saved(image, "JPEG")
    size = jpeg.index(b"\xff\xc0") + 5
    for name, claimed in (("huge", b"\xff\xff\xff\xff"), ("flat", b"\0\0\0\x40"), ("no", bytes(4))):
        yield f"jpeg-{name}-size.jpg", jpeg[:size] + claimed + jpeg[size + 4 :]
    yield "jpeg-13-colours.jpg", jpeg[: size + 4] + b"\x0d" + jpeg[size + 5 :]
    yield "jpeg-no-tables.jpg", jpeg.replace(b"\xff\xc4", b"\xff\xe9")
    yield "jpeg-segment-longer-than-file.jpg", jpeg[:2] + b"\xff\xe1\xff\xff" + jpeg[2:]
    exif = Image.Exif()
    exif[0x0112] = 99
    yield "jpeg-turned-99.jpg", saved(image, "JPEG", exif=exif)
    loop = b"Exif\0\0" + tiff((0x8769, 4, 1, 8), following=8)
    yield "jpeg-exif-loop.jpg", saved(image, "JPEG", exif=loop)
    yield "jpeg-exif-noise.jpg", saved(image, "JPEG", exif=b"Exif\0\0MM\0*" + b"\xff" * 200)


def lying_headers_of_others(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """The same of PNG, GIF, BMP, TIFF and WebP."""
    yield "png-huge.png", png(png_head(2**31 - 1, 2**31 - 1), (b"IDAT", b""), (b"IEND", b""))
    yield "png-no-size.png", png(png_head(0, 0), (b"IDAT", b""), (b"IEND", b""))
    yield "png-no-content.png", png(png_head(9, 9), (b"IEND", b""))
    yield "png-depth-7.png", png(png_head(9, 9, 7, 2), (b"IDAT", b""), (b"IEND", b""))
    yield "png-no-palette.png", png(png_head(9, 9, 8, 3), (b"IDAT", zlib.compress(bytes(90))))
    good = saved(image, "PNG")
    at = good.index(b"IDAT")
    yield "png-bad-checksum.png", good[:-20] + b"????" + good[-16:]
    yield "png-chunk-of-4-gb.png", good[: at - 4] + b"\xff\xff\xff\xff" + good[at:]
    yield "gif-huge.gif", b"GIF89a\xff\xff\xff\xff\0\0\0," + bytes(4) + b"\xff\xff\xff\xff\0\x02\0;"
    yield (
        "bmp-negative.bmp",
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 200, 0, 54, 40, -9, -9, 1, 24, 0, 0, 0, 0, 0, 0),
    )
    yield (
        "bmp-huge.bmp",
        b"BM"
        + struct.pack("<IIIIiiHHIIIIII", 200, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
    )
    yield "tiff-huge.tif", plain_tiff(2**31 - 1, 2**31 - 1)
    yield "tiff-loop.tif", tiff((256, 4, 1, 9), (257, 4, 1, 9), following=8)
    yield "tiff-endless-tag.tif", tiff((256, 4, 2**32 - 1, 8), (257, 4, 2**32 - 1, 8))
    yield "tiff-unknown-packing.tif", plain_tiff(64, 64, compression=64000)
    yield "tiff-33-bits.tif", plain_tiff(64, 64, bits=33)
    yield "webp-huge.webp", b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + b"\xff" * 6 + bytes(8)


def bombs(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Small files that want much memory or time."""
    yield "bomb-3600-megapixels.png", png_bomb()
    yield "bomb-196-megapixels.png", png_bomb(14_000)
    yield "bomb-100-megapixels.webp", saved(Image.new("RGB", (10_000, 10_000)), "WEBP", quality=1)
    yield "bomb-long.png", saved(Image.new("1", (200_000, 900)), "PNG")
    words = zlib.compress(bytes(200 * MEGABYTE), 9)
    whole = saved(image, "PNG")
    yield "bomb-text.png", whole[:33] + chunk(b"zTXt", b"Comment\0\0" + words) + whole[33:]
    yield "bomb-colours.png", whole[:33] + chunk(b"iCCP", b"x\0\0" + words) + whole[33:]
    yield "bomb-deep-content.png", png(png_head(9, 9), (b"IDAT", words), (b"IEND", b""))
    frames = [Image.new("P", (64, 64), n % 256) for n in range(2_000)]
    many = {"save_all": True, "append_images": frames[1:]}
    yield "bomb-2000-frames.gif", saved(frames[0], "GIF", **many)
    yield "bomb-2000-pages.tif", saved(frames[0].convert("L"), "TIFF", **many)
    packed = saved(Image.new("1", (14_000, 14_000)), "TIFF", compression="group4")
    yield "bomb-fax.tif", packed
    jpeg = saved(image.resize((4_000, 3_000)), "JPEG", progressive=True)
    scan = jpeg.rindex(b"\xff\xda")
    yield "bomb-2000-scans.jpg", jpeg[:-2] + jpeg[scan:-2][:500] * 2_000 + b"\xff\xd9"
    small = saved(image, "JPEG")
    yield "bomb-comments.jpg", small[:2] + (b"\xff\xfe\xff\xff" + bytes(65_533)) * 300 + small[2:]


def broken(image: Image.Image, chance: random.Random) -> dict[str, bytes]:
    """File name → its bytes, of every kind there is here."""
    headers = (lying_headers(image), lying_headers_of_others(image))
    every = (of_every_format(image), no_pictures(chance), *headers, bombs(image))
    return {name: content for kind in every for name, content in kind}


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """A file with some bytes changed, cut out, doubled or cut off."""
    content = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 5, 20, 100))):
        at = chance.randrange(len(content))
        deed = chance.randrange(5)
        if deed == 0:
            content[at] ^= 1 << chance.randrange(8)
        elif deed == 1:
            content[at : at + 4] = chance.choice(
                (b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff")
            )
        elif deed == 2:
            del content[at : at + chance.randrange(1, 64)]
        elif deed == 3:
            content[at:at] = content[at : at + chance.randrange(1, 64)]
        elif len(content) > 200 and chance.random() < 0.1:
            del content[at:]
        if len(content) < 20:
            break
    return bytes(content)
