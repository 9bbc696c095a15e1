"""A file's bytes, or a frame of a video, to its upright picture, RGB, or why there is none."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError, features

from nasfarm.core.lines import Fault
from nasfarm_workers.exif import exif
from nasfarm_workers.formats import exif_of_jpeg, is_heif, unreadable_kind
from nasfarm_workers.pixels import RGB, Blob, Enough, Picture, Shot, every_pixel

MOST_MEGAPIXELS = 200
"""The largest sensors in phones give 16,320 × 12,240 = 199.8 million; as RGB that is 600 MB, about
what a small box can spare. Larger ones are panoramas, scans of maps, or bombs."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_Region = tuple[float, float, float, float]


def decode(
    blob: Blob | Shot | Fault,
    name: str,
    max_side: int = 0,
    most_megapixels: float = MOST_MEGAPIXELS,
    enough: Enough = every_pixel,
) -> Picture | Fault:
    """Decode JPEG, PNG, WebP, TIFF, BMP, GIF (its first frame), HEIC and, where Pillow can, AVIF.

    blob: the file, or the frame; the fault that kept it from being read stays as it is.
    max_side: the longer side of `pixels` is at most this; 0: any length.
    most_megapixels: a larger picture is `too_large`.
    enough: `pixels` are at least at this scale, and no larger than comes cheap.
    Never raises: a Fault has the code `decode`, `too_large` or `unsupported`. The size is checked
    in the header, before any pixel is read.
    """
    if isinstance(blob, Fault):
        return blob
    hopeless = _hopeless(blob, name) if isinstance(blob, Blob) else None
    if hopeless:
        return hopeless
    try:
        return _decoded(blob, _Wanted(max_side, enough), most_megapixels)
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
            "decode", f"{name}: is not an image; JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC are read."
        )
    except Exception as error:  # the readers raise a dozen types on broken bytes
        return Fault("decode", f"{name}: is damaged ({_reason(error)}); copy it again.")


def _hopeless(blob: Blob, name: str) -> Fault | None:
    """What need not be tried."""
    kind = unreadable_kind(blob.content[:512], name, bool(features.check("avif")))
    if kind:
        return Fault(
            "unsupported", f"{name}: is {kind}, which cannot be read yet; export it as JPEG."
        )
    if not blob.content:
        return Fault("decode", f"{name}: is empty (0 bytes); copy it again from where it came.")
    return None


def _decoded(blob: Blob | Shot, wanted: _Wanted, most_megapixels: float) -> Picture:
    """Raises what the readers raise."""
    if isinstance(blob, Shot):
        return _shown(blob, most_megapixels, wanted)
    damaged = False
    try:
        quick = _ordinary_jpeg(blob, wanted, most_megapixels)
    except ValueError:
        quick, damaged = None, True
    if quick is not None:
        return quick
    with _opened(blob.content, most_megapixels) as image:
        return _picture(image, blob, wanted, damaged=damaged)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the caller of `decode` asks for."""

    max_side: int
    enough: Enough

    def scale(self, width: int, height: int) -> float:
        """The least scale for an upright picture of that size."""
        longest = self.max_side / max(width, height) if self.max_side else 1.0
        return min(1.0, longest, self.enough(width, height))

    def too_long(self, pixels: RGB) -> bool:
        """Whether a side is longer than was asked for."""
        return bool(self.max_side) and max(pixels.shape[:2]) > self.max_side


def _shown(shot: Shot, most_megapixels: float, wanted: _Wanted) -> Picture:
    """A frame, drawn no larger than wanted. Raises DecompressionBombError for too large a one."""
    if shot.width * shot.height > most_megapixels * 1_000_000:
        raise Image.DecompressionBombError
    sideways = shot.quarter_turns % 2
    upright = (shot.height, shot.width) if sideways else (shot.width, shot.height)
    scale = wanted.scale(*upright)
    # What is not upright yet is drawn, and then turned: pixels are fewer by then.
    sides = [max(1, round(side * scale)) for side in (shot.width, shot.height)]
    pixels = np.rot90(shot.drawn(*sides), shot.quarter_turns)
    source = "video" if shot.taken_at else ""
    return Picture(
        np.ascontiguousarray(pixels), *upright, shot.taken_at, source, shot.changed
    )  # fmt: skip


@contextmanager
def _opened(content: bytes, most_megapixels: float) -> Iterator[ImageFile.ImageFile]:
    """Open with Pillow set to our limit and without its warnings.

    Both settings are Pillow's and the process's own and say the same at every call, so threads
    need no lock (`warnings.catch_warnings` would need one). Pillow warns above MAX_IMAGE_PIXELS
    and refuses above twice that.
    """
    Image.MAX_IMAGE_PIXELS = int(most_megapixels * 1_000_000) // 2
    warnings.filterwarnings("ignore", module=r"PIL\.")
    formats: tuple[str, ...] = (*_FORMATS, "AVIF") if features.check("avif") else _FORMATS
    if is_heif(content[:512]):
        import pi_heif  # takes 0.1 s, and many homes have no such file

        pi_heif.register_heif_opener(thumbnails=False, decode_threads=1)
        formats = ("HEIF",)
    with Image.open(BytesIO(content), formats=formats) as image:
        yield image


def _ordinary_jpeg(blob: Blob, wanted: _Wanted, most_megapixels: float) -> Picture | None:
    """What nearly all photos are, without Pillow's look at them, which costs 0.2 ms; None: ask it.

    That is a JPEG with colours or greys that need no turning and are no larger than wanted. Raises
    ValueError for one that is damaged: Pillow forgives more.
    """
    block = exif_of_jpeg(blob.content)
    if block is None:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(blob.content)
    except ValueError:
        return None
    facts = exif(block)
    if (
        colours not in ("YCbCr", "Gray")
        or width * height > most_megapixels * 1_000_000
        or facts.turn is not None
    ):
        return None
    pixels = _scaled_jpeg(blob.content, (width, height), wanted.scale(width, height))
    if wanted.too_long(pixels):
        return None
    return Picture(pixels, width, height, facts.taken_at, facts.source, blob.changed)


def _picture(image: ImageFile.ImageFile, blob: Blob, wanted: _Wanted, *, damaged: bool) -> Picture:
    """damaged: the quick reader has tried in vain; a second time may take as long as the first."""
    width, height = image.size
    plain = image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L")
    if not plain:
        image.load()
    facts = exif(image)
    turn = facts.turn
    upright = (height, width) if facts.sideways else (width, height)
    scale = wanted.scale(*upright)
    jpeg = None
    if plain and not damaged:
        with suppress(ValueError):
            jpeg = _scaled_jpeg(blob.content, image.size, scale)
    # As it comes from the decoder, where nothing is to be done to it: each copy costs 0.3 ms.
    if jpeg is None or turn is not None or wanted.too_long(jpeg):
        pixels = np.asarray(_by_pillow(image, jpeg, scale, turn, wanted))
    else:
        pixels = jpeg
    return Picture(pixels, *upright, facts.taken_at, facts.source, blob.changed)


def _scaled_jpeg(content: bytes, size: tuple[int, int], scale: float) -> RGB:
    """A JPEG at the least scale, n / 8, that is at least `scale`, in a third of Pillow's time.

    Raises ValueError where it is damaged.
    """
    width, height = (math.ceil(side * scale - 1e-6) for side in size)
    pixels: RGB = simplejpeg.decode_jpeg(content, min_width=width, min_height=height)
    return pixels


def _by_pillow(
    image: ImageFile.ImageFile, jpeg: RGB | None, scale: float, turn: Image.Transpose | None,
    wanted: _Wanted,
) -> Image.Image:  # fmt: skip
    """What else has to be done to a picture: reduced, converted to RGB, turned upright."""
    width, height = image.size
    plain, region = _reduced(image, scale) if jpeg is None else _original_in(jpeg, image.size)
    if wanted.max_side and max(plain.size) > wanted.max_side:
        sides = (max(1, round(width * scale)), max(1, round(height * scale)))
        plain = plain.resize(sides, Image.Resampling.HAMMING, box=region, reducing_gap=2.0)
    plain = _rgb(plain)
    return plain if turn is None else plain.transpose(turn)


def _original_in(jpeg: RGB, size: tuple[int, int]) -> tuple[Image.Image, _Region]:
    """A scaled JPEG, and where in it the original lies: its sides are rounded up, so the original
    may end within the last pixel.
    """
    width, height = size
    eighths = max(1, round(8 * jpeg.shape[1] / width))
    return Image.fromarray(jpeg), (0, 0, width * eighths / 8, height * eighths / 8)


def _reduced(image: ImageFile.ImageFile, scale: float) -> tuple[Image.Image, _Region]:
    """The picture at a scale that is cheap and at least `scale`, and where in it the original
    lies.
    """
    width, height = image.size
    plain = _reducible(image)
    shrunk = int(1 / scale)
    if shrunk > 1:
        plain = plain.reduce(shrunk)
    return plain, (0, 0, width / shrunk, height / shrunk)


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


def _reason(error: Exception) -> str:
    """The library's own words, on one line and short."""
    return " ".join(str(error).split())[:120] or type(error).__name__
