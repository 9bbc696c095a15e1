"""File names to what intake does with them. Pure."""

from __future__ import annotations

READABLE = frozenset(
    "jpg jpeg jpe jfif png webp tif tiff bmp dib gif ppm pgm pbm pnm jp2 tga "
    "heic heif hif avif".split()
)
UNREADABLE = frozenset(
    # Pictures that people keep on a NAS and that no decoder here opens: they get an error line.
    "jxl cr2 cr3 crw nef nrw arw srf sr2 dng raf orf rw2 pef raw 3fr iiq "
    "x3f erf mrw kdc dcr srw rwl psd".split()
)
SYSTEM = frozenset(
    name.casefold()
    for name in (
        "@eaDir",
        "#recycle",
        "@Recycle",
        "@Recently-Snapshot",
        "#snapshot",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
        "Thumbs.db",
        "desktop.ini",
        "__MACOSX",
    )
)

PARTIAL = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".download", "~")


def is_system(name: str) -> bool:
    """Hidden, or made by the NAS, Windows or macOS for itself (`@eaDir`, `.DS_Store`, …)."""
    return name.startswith(".") or name.casefold() in SYSTEM


def is_image(name: str) -> bool:
    """Has the ending of a picture, whether we can read it or not."""
    ending = name.rpartition(".")[2].casefold() if "." in name else ""
    return ending in READABLE or ending in UNREADABLE


def is_partial(name: str) -> bool:
    """Named like what browsers, copy programs and editors are still writing."""
    return name.startswith("~") or name.casefold().endswith(PARTIAL)
