"""Decoding: every kind of file a NAS holds gives an upright picture, or a fault that says why."""

from __future__ import annotations

import struct
import time
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nasfarm.core.lines import Fault
from nasfarm_workers.formats import exif_of_jpeg
from nasfarm_workers.pixels import Blob, Picture
from nasfarm_workers.runtime.decode import decode

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 180, 30), (30, 30, 220), (255, 255, 255)
DATA = Path(__file__).parents[1] / "data" / "heic"
"""The quarters below, drawn and packed by libheif; `turned` lies on its side and has a time."""

NEAR = 12
"""Colours may be this far off: JPEG and CMYK are not exact."""


def quarters(width: int = 64, height: int = 48) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    return Image.fromarray(pixels)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decoded(blob: bytes, max_side: int = 0, name: str = "photos:a") -> Picture:
    picture = decode(Blob(blob), name, max_side)
    assert isinstance(picture, Picture), picture
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape[2:] == (3,)
    return picture


def fault(blob: bytes, name: str = "photos:a.jpg") -> Fault:
    found = decode(Blob(blob), name, 416)
    assert isinstance(found, Fault), found
    assert found.message.startswith(f"{name}: ")
    return found


def corners(picture: Picture) -> list[tuple[int, ...]]:
    """Colours in the middle of the four quarters, row by row."""
    height, width = picture.pixels.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [tuple(picture.pixels[place].tolist()) for place in places]


def assert_quarters(picture: Picture, wanted: tuple[tuple[int, ...], ...]) -> None:
    assert np.abs(np.array(corners(picture)) - np.array(wanted)).max() <= NEAR


def exif(orientation: int = 1, taken: str = "", offset: str = "") -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    part = tags.get_ifd(0x8769)
    if taken:
        part[0x9003] = taken
    if offset:
        part[0x9011] = offset
    return tags


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(saved(quarters(), "JPEG", quality=95), id="jpeg"),
        pytest.param(
            saved(quarters(), "JPEG", quality=95, progressive=True), id="progressive jpeg"
        ),
        pytest.param(saved(quarters().convert("CMYK"), "JPEG", quality=95), id="cmyk jpeg"),
        pytest.param(saved(quarters(), "PNG"), id="png"),
        pytest.param(saved(quarters().quantize(8), "PNG"), id="palette png"),
        pytest.param(saved(quarters().convert("RGBA"), "PNG"), id="png with alpha"),
        pytest.param(saved(quarters(), "WEBP", lossless=True), id="webp"),
        pytest.param(saved(quarters(), "TIFF"), id="tiff"),
        pytest.param(saved(quarters(), "TIFF", compression="tiff_lzw"), id="packed tiff"),
        pytest.param(saved(quarters().convert("CMYK"), "TIFF"), id="cmyk tiff"),
        pytest.param(saved(quarters(), "BMP"), id="bmp"),
        pytest.param(saved(quarters(), "GIF"), id="gif"),
    ],
)
@pytest.mark.parametrize("max_side", [0, 32])
def test_every_kind_of_file_shows_its_colours(blob: bytes, max_side: int) -> None:
    picture = decoded(blob, max_side)
    assert (picture.width, picture.height) == (64, 48)
    assert max(picture.pixels.shape) == (max_side or 64)
    assert_quarters(picture, (RED, GREEN, BLUE, WHITE))


def grey_ramp() -> np.ndarray:
    return np.tile(np.linspace(0, 255, 64).round(), (48, 1))


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(
            saved(Image.fromarray(grey_ramp().astype(np.uint8)), "JPEG", quality=95),
            id="8 bit jpeg",
        ),
        pytest.param(
            saved(Image.fromarray((grey_ramp() * 257).astype(np.uint16)), "PNG"), id="16 bit png"
        ),
        pytest.param(
            saved(Image.fromarray((grey_ramp() * 257).astype(np.uint16)), "TIFF"), id="16 bit tiff"
        ),
        pytest.param(
            saved(Image.fromarray((grey_ramp() * 9000).astype(np.int32)), "TIFF"), id="32 bit tiff"
        ),
        pytest.param(
            saved(Image.fromarray((grey_ramp() / 255).astype(np.float32)), "TIFF"), id="float tiff"
        ),
    ],
)
def test_grey_values_keep_their_brightness(blob: bytes) -> None:
    pixels = decoded(blob).pixels.astype(int)
    assert np.abs(pixels - grey_ramp()[:, :, None]).max() <= 3


def test_black_and_white_is_read() -> None:
    picture = decoded(saved(quarters().convert("1", dither=Image.Dither.NONE), "PNG"))
    assert set(np.unique(picture.pixels)) == {0, 255}


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        pytest.param([np.nan, np.nan, np.nan, np.nan], [0, 0, 0, 0], id="no number"),
        pytest.param([7.5, 7.5, 7.5, 7.5], [0, 0, 0, 0], id="one value"),
        pytest.param([-3e38, 0, 3e38, np.inf], [0, 128, 255, 128], id="the whole range"),
    ],
)
def test_float_pictures_with_odd_values_are_read(values: list[float], wanted: list[int]) -> None:
    blob = saved(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")
    assert decoded(blob).pixels[0, :, 0].tolist() == wanted


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), id="rgba"),
        pytest.param(Image.new("LA", (8, 8), (0, 0)), id="grey with alpha"),
    ],
)
def test_transparent_parts_are_white(image: Image.Image) -> None:
    assert decoded(saved(image, "PNG")).pixels.min() == 255


def test_a_transparent_palette_entry_is_white() -> None:
    palette = quarters().quantize(8)
    blob = saved(palette, "PNG", transparency=palette.getpixel((0, 0)))
    assert_quarters(decoded(blob), (WHITE, GREEN, BLUE, WHITE))


def test_the_first_frame_of_a_gif_counts() -> None:
    first, second = quarters(), Image.new("RGB", (64, 48), "black")
    blob = saved(first, "GIF", save_all=True, append_images=[second])
    assert_quarters(decoded(blob), (RED, GREEN, BLUE, WHITE))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "wanted"),
    [
        (1, (RED, GREEN, BLUE, WHITE)),
        (2, (GREEN, RED, WHITE, BLUE)),
        (3, (WHITE, BLUE, GREEN, RED)),
        (4, (BLUE, WHITE, RED, GREEN)),
        (5, (RED, BLUE, GREEN, WHITE)),
        (6, (BLUE, RED, WHITE, GREEN)),
        (7, (WHITE, GREEN, BLUE, RED)),
        (8, (GREEN, WHITE, RED, BLUE)),
        pytest.param(99, (RED, GREEN, BLUE, WHITE), id="no such orientation"),
    ],
)
def test_pictures_stand_upright(
    kind: str, orientation: int, wanted: tuple[tuple[int, ...], ...]
) -> None:
    lossless = {"lossless": True} if kind == "WEBP" else {"quality": 95}
    picture = decoded(saved(quarters(), kind, exif=exif(orientation), **lossless), 32)
    sideways = orientation in (5, 6, 7, 8)
    assert (picture.width, picture.height) == ((48, 64) if sideways else (64, 48))
    assert picture.pixels.shape[:2] == ((32, 24) if sideways else (24, 32))
    assert_quarters(picture, wanted)


@pytest.mark.parametrize(
    ("size", "max_side", "wanted"),
    [
        pytest.param((640, 480), 416, (416, 312), id="a little smaller"),
        pytest.param((4000, 3000), 416, (416, 312), id="decoded at an eighth"),
        pytest.param((401, 1001), 100, (40, 100), id="uneven sides, tall"),
        pytest.param((300, 200), 416, (300, 200), id="never enlarged"),
        pytest.param((3000, 2), 100, (100, 1), id="a line keeps a pixel"),
        pytest.param((300, 200), 0, (300, 200), id="0: as it is"),
    ],
)
def test_the_longer_side_is_reduced(
    size: tuple[int, int], max_side: int, wanted: tuple[int, int]
) -> None:
    picture = decoded(saved(Image.new("RGB", size), "JPEG"), max_side)
    assert (picture.width, picture.height) == size
    assert picture.pixels.shape[1::-1] == wanted


def test_a_reduced_jpeg_is_not_shifted() -> None:
    blob = saved(quarters(1201, 807), "JPEG", quality=95)
    exact = Image.open(BytesIO(blob)).resize((100, 67), Image.Resampling.HAMMING)
    assert np.abs(decoded(blob, 100).pixels.astype(int) - np.asarray(exact)).mean() < 1


@pytest.mark.parametrize(
    ("taken", "offset", "wanted"),
    [
        ("2026:05:04 12:00:01", "+08:00", "2026-05-04T12:00:01+08:00"),
        ("2026:05:04 12:00:01", "", "2026-05-04T12:00:01"),
        pytest.param("2026:05:04 12:00:01", "soon", "2026-05-04T12:00:01", id="broken offset"),
        pytest.param("2026:05:04 12:00:01", "+24:00", "2026-05-04T12:00:01", id="no such offset"),
        pytest.param("0000:00:00 00:00:00", "", "", id="clock never set"),
        pytest.param("0001:01:01 00:00:00", "", "", id="clock at the first year"),
        pytest.param("9999:12:31 23:59:59", "", "", id="clock at the last year"),
        pytest.param("", "+08:00", "", id="no time"),
        pytest.param("last summer", "", "", id="no date"),
    ],
)
def test_the_time_comes_from_exif(taken: str, offset: str, wanted: str) -> None:
    picture = decoded(saved(quarters(), "JPEG", exif=exif(1, taken, offset)))
    assert picture.taken_at == wanted
    assert picture.time_source == ("exif" if wanted else "")


def test_broken_exif_does_not_drop_the_picture() -> None:
    blob = saved(quarters(), "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert_quarters(decoded(blob), (RED, GREEN, BLUE, WHITE))


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello, this is a letter", id="text"),
        pytest.param(b"\xff\xd8\xff", id="only a beginning"),
        pytest.param(saved(quarters(640, 480), "JPEG")[:2000], id="truncated jpeg"),
        pytest.param(saved(quarters(640, 480), "PNG")[:-40], id="truncated png"),
        pytest.param(saved(quarters(640, 480), "WEBP")[:-100], id="truncated webp"),
        pytest.param(saved(quarters(640, 480), "TIFF")[:-9000], id="truncated tiff"),
        pytest.param(saved(quarters(640, 480), "GIF")[:300], id="truncated gif"),
    ],
)
def test_what_is_no_whole_image_is_a_decode_fault(blob: bytes) -> None:
    assert fault(blob).code == "decode"


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims that size, with a few bytes of pixels."""

    def part(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = part(b"IDAT", zlib.compress(bytes(100_000)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + part(b"IEND", b"")


def test_a_bomb_is_refused_by_its_header() -> None:
    started = time.perf_counter()
    found = fault(png_of(60_000, 60_000), "photos:bomb.png")
    assert time.perf_counter() - started < 0.5
    assert found.code == "too_large"
    assert "200 megapixels" in found.message


def test_the_limit_is_the_last_size_that_is_tried() -> None:
    assert fault(png_of(20_000, 10_001)).code == "too_large"
    assert fault(png_of(16_320, 12_240)).code == "decode"  # tried, and found cut off


def test_the_limit_may_be_set() -> None:
    blob = saved(Image.new("1", (1100, 1000)), "PNG")
    small = decode(Blob(blob), "photos:a.png", 416, most_megapixels=1)
    assert isinstance(small, Fault)
    assert small.code == "too_large"
    assert isinstance(decode(Blob(blob), "photos:a.png", 416), Picture)


def box(*brands: bytes) -> bytes:
    """The beginning of a HEIF-like file: its main brand, four bytes of version, the others."""
    body = b"ftyp" + brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    return struct.pack(">I", len(body) + 4) + body + bytes(64)


@pytest.mark.parametrize(
    ("blob", "name", "kind"),
    [
        pytest.param(box(b"crx "), "photos:a.cr3", "Canon", id="cr3"),
        pytest.param(b"II*\0\x10\0\0\0CR\x02\0" + bytes(64), "photos:a.tif", "Canon", id="cr2"),
        pytest.param(b"FUJIFILMCCD-RAW 0201", "photos:a.raf", "Fujifilm", id="raf"),
        pytest.param(b"IIU\0" + bytes(64), "photos:a.rw2", "Panasonic", id="rw2"),
        pytest.param(saved(quarters(), "TIFF"), "photos:a.nef", "NEF", id="tiff inside nef"),
        pytest.param(saved(quarters(), "TIFF"), "photos:a.dng", "DNG", id="tiff inside dng"),
        pytest.param(b"\xff\x0a" + bytes(64), "photos:a.jxl", "JPEG XL", id="jpeg xl"),
    ],
)
def test_kinds_that_are_not_read_are_named(blob: bytes, name: str, kind: str) -> None:
    found = fault(blob, name)
    assert found.code == "unsupported"
    assert kind in found.message


def test_a_jpeg_called_heic_is_read() -> None:
    picture = decoded(saved(quarters(), "JPEG", quality=95), name="photos:a.heic")
    assert_quarters(picture, (RED, GREEN, BLUE, WHITE))


@pytest.mark.parametrize("name", ["photos:a.heic", "photos:a.jpg"])
def test_a_phones_heic_is_read_whatever_it_is_called(name: str) -> None:
    picture = decoded((DATA / "upright.heic").read_bytes(), name=name)
    assert (picture.width, picture.height) == (64, 48)
    assert_quarters(picture, (RED, GREEN, BLUE, WHITE))


def test_a_heic_is_turned_and_reduced_as_a_jpeg_is() -> None:
    blob = (DATA / "turned.heic").read_bytes()
    picture = decode(Blob(blob), "photos:a.heic", enough=lambda width, height: 0.3)
    assert isinstance(picture, Picture)
    assert (picture.width, picture.height) == (480, 640)
    assert picture.pixels.shape == (214, 160, 3)
    assert picture.taken_at == "2026-05-04T12:00:01"
    assert_quarters(picture, (BLUE, RED, WHITE, GREEN))


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(b"anything", id="text"),
        pytest.param(box(b"heic", b"mif1"), id="only a beginning"),
        pytest.param((DATA / "turned.heic").read_bytes()[:-900], id="cut off"),
    ],
)
def test_what_is_no_whole_heic_is_a_decode_fault(blob: bytes) -> None:
    assert fault(blob, "photos:a.heic").code == "decode"


@pytest.mark.parametrize(
    ("kind", "options"),
    [pytest.param("JPEG", {"quality": 95}, id="jpeg"), pytest.param("PNG", {}, id="png")],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_pixels_are_enough_and_hardly_more(
    kind: str, options: dict[str, int], orientation: int
) -> None:
    blob = saved(quarters(1600, 1200), kind, exif=exif(orientation), **options)
    for wanted in (1.0, 0.7, 0.5, 0.26, 0.2, 0.13, 0.125):
        picture = decode(Blob(blob), "photos:a", enough=lambda w, h, scale=wanted: scale)
        assert isinstance(picture, Picture)
        scale = max(picture.pixels.shape) / 1600
        assert wanted <= scale <= max(0.125, 2 * wanted)


def test_enough_is_asked_with_the_upright_size() -> None:
    asked = []
    blob = saved(quarters(640, 480), "JPEG", exif=exif(6))
    decode(Blob(blob), "photos:a", enough=lambda w, h: asked.append((w, h)) or 1.0)
    assert asked == [(480, 640)]


def test_avif_is_read_or_said_to_be_unsupported() -> None:
    found = decode(Blob(box(b"avif", b"mif1")), "photos:a.avif", 416)
    assert isinstance(found, Fault)  # the bytes are no whole AVIF in either case
    assert found.code in ("unsupported", "decode")


def test_pillows_warnings_stay_inside() -> None:
    large = saved(Image.new("1", (11_000, 10_000)), "PNG")  # above half the limit Pillow warns
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        decoded(large, 416)
    assert leaked == []


SAMPLES = (
    saved(quarters(), "JPEG", exif=exif(6, "2026:05:04 12:00:01")),
    saved(quarters(), "PNG", exif=exif(8)),
    saved(quarters(), "WEBP"),
    saved(quarters(), "TIFF", compression="tiff_lzw"),
    saved(quarters(), "GIF"),
    saved(quarters(), "BMP"),
    (DATA / "upright.heic").read_bytes(),
)


@settings(max_examples=300, deadline=None)
@given(
    sample=st.sampled_from(SAMPLES),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    kept=st.floats(0, 1),
)
def test_no_bytes_raise(sample: bytes, changes: list[tuple[float, int]], kept: float) -> None:
    blob = bytearray(sample)
    for place, value in changes:
        blob[int(place * (len(blob) - 1))] = value
    found = decode(Blob(bytes(blob[: int(kept * len(blob)) or 1])), "photos:a.jpg", 32)
    if isinstance(found, Fault):
        assert found.code in ("decode", "too_large", "unsupported")
    else:
        assert max(found.pixels.shape[:2]) <= 32


def with_xmp(jpeg: bytes) -> bytes:
    """The same picture with a segment that only Pillow understands."""
    text = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"
    return jpeg[:2] + b"\xff\xe1" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("taken", [pytest.param("", id="no-time"), "2026:05:04 12:00:01"])
def test_an_ordinary_jpeg_is_the_same_picture_without_pillow_s_look_at_it(
    mode: str, taken: str
) -> None:
    image = Image.effect_noise((640, 360), 60).convert(mode)
    exif = Image.Exif()
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    file = BytesIO()
    image.save(file, "JPEG", exif=exif)
    assert exif_of_jpeg(file.getvalue()) is not None
    assert exif_of_jpeg(with_xmp(file.getvalue())) is None
    quick, slow = (
        decode(Blob(content), "a.jpg", enough=lambda _w, _h: 0.3)
        for content in (file.getvalue(), with_xmp(file.getvalue()))
    )
    assert isinstance(quick, Picture) and isinstance(slow, Picture)
    assert quick.pixels.shape == (135, 240, 3)
    assert np.array_equal(quick.pixels, slow.pixels)
    assert (quick.width, quick.height, quick.taken_at, quick.time_source) == (
        slow.width, slow.height, slow.taken_at, slow.time_source,
    )  # fmt: skip
    assert bool(quick.taken_at) == bool(taken)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="not-a-jpeg"),
        pytest.param(b"\xff\xd8", id="only-its-beginning"),
        pytest.param(b"\xff\xd8\xff\xe1\xff\xff" + b"Exif\0\0" + b"x" * 99, id="cut-off"),
        pytest.param(b"\xff\xd8\xff\xe0\0\0" * 20, id="segments-of-no-length"),
        pytest.param(b"\xff\xd8" + b"\xff\xe1\0\x08Exif\0\0" * 2 + b"\xff\xda\0\2", id="two"),
    ],
)
def test_what_is_no_ordinary_jpeg_is_left_to_pillow(content: bytes) -> None:
    assert exif_of_jpeg(content) is None


def test_a_jpeg_that_only_pillow_forgives_is_tried_once_by_the_quick_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a file made to take long, each try does."""
    whole = saved(quarters(640, 480), "JPEG", progressive=True)
    scan = whole.rindex(b"\xff\xda")
    damaged = whole[:-2] + whole[scan:-2] + whole[-2:]  # its last scan twice
    tries: list[int] = []
    real = simplejpeg.decode_jpeg

    def counted(content: bytes, **options: Any) -> Any:
        tries.append(len(content))
        return real(content, **options)

    monkeypatch.setattr(simplejpeg, "decode_jpeg", counted)
    assert isinstance(decode(Blob(damaged), "a.jpg"), Picture)
    assert tries == [len(damaged)]
