"""A file's bytes to its upright picture, RGB, at most as large as wanted; or why there is none."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError, features

from nasfarm.core.lines import Fault
from nasfarm_workers.formats import unreadable_kind
from nasfarm_workers.pixels import Blob, Picture

MOST_MEGAPIXELS = 200
"""The largest sensors in phones give 16,320 × 12,240 = 199.8 million; as RGB that is 600 MB, about
what a small box can spare. Larger ones are panoramas, scans of maps, or bombs."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_ORIENTATION, _EXIF_PART, _TAKEN, _TAKEN_OFFSET = 0x0112, 0x8769, 0x9003, 0x9011
_UPRIGHT: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what makes the picture upright (EXIF 2.32, tag 0x0112)."""
_SIDEWAYS = frozenset(_UPRIGHT[number] for number in (5, 6, 7, 8))


def decode(
    blob: Blob | Fault, name: str, max_side: int, most_megapixels: float = MOST_MEGAPIXELS
) -> Picture | Fault:
    """Decode JPEG, PNG, WebP, TIFF, BMP, GIF (its first frame) and, where Pillow can, AVIF.

    blob: the file; the fault that kept it from being read stays as it is.
    max_side: the longer side of `pixels` is at most this; 0 leaves the picture as it is.
    most_megapixels: a larger picture is `too_large`.
    Never raises: a Fault has the code `decode`, `too_large` or `unsupported`. The size is checked
    in the header, before any pixel is read.
    """
    if isinstance(blob, Fault):
        return blob
    avif = bool(features.check("avif"))
    kind = unreadable_kind(blob.content[:512], name, avif)
    if kind:
        return Fault(
            "unsupported", f"{name}: is {kind}, which cannot be read yet; export it as JPEG."
        )
    if not blob.content:
        return Fault("decode", f"{name}: is empty (0 bytes); copy it again from where it came.")
    try:
        with _opened(blob.content, avif, most_megapixels) as image:
            return _picture(image, max_side, blob.changed)
    except MemoryError:
        return Fault(
            "too_large",
            f"{name}: needs more memory than a worker may use; give the farm a smaller copy.",
        )
    except Image.DecompressionBombError:
        return Fault(
            "too_large",
            f"{name}: has more than {most_megapixels} megapixels; give the farm a smaller copy.",
        )
    except UnidentifiedImageError:
        return Fault(
            "decode", f"{name}: is not an image; JPEG, PNG, WebP, TIFF, BMP and GIF are read."
        )
    except Exception as error:  # Pillow's readers raise a dozen types on broken bytes.
        return Fault("decode", f"{name}: is damaged ({_reason(error)}); copy it again.")


@contextmanager
def _opened(content: bytes, avif: bool, most_megapixels: float) -> Iterator[ImageFile.ImageFile]:
    """Open with Pillow set to our limit and without its warnings.

    Both settings are Pillow's and the process's own and say the same at every call, so threads
    need no lock (`warnings.catch_warnings` would need one). Pillow warns above MAX_IMAGE_PIXELS
    and refuses above twice that.
    """
    Image.MAX_IMAGE_PIXELS = int(most_megapixels * 1_000_000) // 2
    warnings.filterwarnings("ignore", module=r"PIL\.")
    formats = (*_FORMATS, "AVIF") if avif else _FORMATS
    with Image.open(BytesIO(content), formats=formats) as image:
        yield image


def _picture(image: ImageFile.ImageFile, max_side: int, changed: bool) -> Picture:
    width, height = image.size
    shrink = max_side / max(width, height) if max_side else 1.0
    wanted = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    # A JPEG can be decoded at 1/2, 1/4 or 1/8 for a fraction of the cost. `region` is where the
    # whole original lies in it, as its size was rounded up.
    drafted = image.draft(None, wanted) if shrink < 1 else None
    image.load()
    region = drafted[1] if drafted else (0, 0, *image.size)
    plain = _reducible(image)
    if shrink < 1:
        plain = plain.resize(wanted, Image.Resampling.HAMMING, box=region, reducing_gap=2.0)
    plain = _rgb(plain)
    exif = _exif(image)
    turn = _UPRIGHT.get(exif.get(_ORIENTATION))
    if turn is not None:
        plain = plain.transpose(turn)
    if turn in _SIDEWAYS:
        width, height = height, width
    taken_at = _taken_at(exif)
    source = "exif" if taken_at else ""
    return Picture(np.asarray(plain), width, height, taken_at, source, changed)


def _reducible(image: Image.Image) -> Image.Image:
    """The modes that Pillow cannot reduce smoothly, to such as it can; others as they are.

    16-bit values lose their low byte.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert({"1": "L", "P": "RGB"}.get(image.mode, image.mode))


def _rgb(image: Image.Image) -> Image.Image:
    """What is left of the modes to RGB; after reducing, which on large pictures saves gigabytes.

    Transparent parts become white: such pictures are mostly drawings, signs and pages, made to be
    seen on paper or a white screen. 32-bit and float values, whose range is the file's own, are
    stretched from their least to their largest.
    """
    if image.mode in ("I", "F"):
        return _stretched(np.asarray(image, dtype=np.float64)).convert("RGB")
    if image.mode == "RGBA":
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _stretched(values: NDArray[np.float64]) -> Image.Image:
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    least, most = float(finite.min()), float(finite.max())
    scaled = (finite - least) * (255.0 / (most - least)) if most > least else finite * 0
    return Image.fromarray(scaled.round().astype(np.uint8))


def _exif(image: Image.Image) -> dict[int, object]:
    """Orientation, time and its offset, as far as they are there.

    Asked after `load`: PNG may have its EXIF behind the pixels, and Pillow itself turns a TIFF.
    Broken EXIF is common (old editors, cut files) and no reason to drop a sound picture.
    """
    found: dict[int, object] = {}
    try:
        exif = image.getexif()
        found[_ORIENTATION] = exif.get(_ORIENTATION, 1)
        found |= exif.get_ifd(_EXIF_PART)
    except Exception:  # struct.error, SyntaxError, KeyError and more
        return found
    return found


def _taken_at(exif: dict[int, object]) -> str:
    """`2026:05:04 12:00:01` (and `+08:00`) to ISO 8601; "" where it is missing or no real time."""
    written = str(exif.get(_TAKEN, "")).strip("\0 ")
    offset = str(exif.get(_TAKEN_OFFSET, "")).strip("\0 ")
    try:
        taken = datetime.strptime(written, "%Y:%m:%d %H:%M:%S").isoformat()
    except ValueError:
        return ""
    return taken + offset if re.fullmatch(r"[+-]\d\d:\d\d|Z", offset) else taken


def _reason(error: Exception) -> str:
    """The library's own words, on one line and short."""
    return " ".join(str(error).split())[:120] or type(error).__name__
