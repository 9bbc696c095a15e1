"""Result lines to COCO and YOLO, the formats of programs that train and measure detectors.

What has a place in the picture is written: detections, and texts as one class of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from nasfarm.core import wire
from nasfarm.core.items import ROOT_NAME, split_address
from nasfarm.core.lines import Box
from nasfarm.errors import RejectError
from nasfarm.jobs.export import Exported, Line, Lines
from nasfarm.storage.atomic import storage_errors

_PLACED = {"detections", "texts"}
_PLACELESS = {"classes", "embedding"}


@dataclass(frozen=True, slots=True)
class Marked:
    """Something with a place in a picture. box: x1, y1, x2, y2 in pixels of the upright original.

    outline: its corners x, y, x, y … in pixels; empty where the box is all there is.
    """

    class_id: int
    label: str
    score: float
    box: Box
    outline: tuple[float, ...] = ()
    text: str = ""


def write_coco(lines: Lines, out: BinaryIO, labels: Sequence[str] = ()) -> Exported:
    """COCO's object detection format (cocodataset.org/#format-data).

    Category ids are class number + 1, so that a model keeps its ids from job to job. Image ids are
    the item's number; `file_name` is the path within the root. Failed items are left out, and
    those that are the same as an earlier one. labels: the model's, to name categories nothing was
    found of. Raises RejectError where the job looked for nothing that has a place.
    """
    _check_places(lines)
    out.write(b'{"info":{"description":"results of a nasfarm job"},"licenses":[],"images":[')
    images, left_out = 0, 0
    for line in lines():
        if not _was_looked_at(line):
            left_out += 1
            continue
        out.write((b",\n" if images else b"\n") + wire.encode(_image(line)))
        images += 1
    out.write(b'],\n"annotations":[')
    names = dict(enumerate(labels))
    number = 0
    for line in lines():
        for mark in _marks(line):
            _note(names, mark)
            number += 1  # from 1: pycocotools takes annotation 0 for "no match"
            annotation = wire.encode(_annotation(number, line["i"], mark))
            out.write((b",\n" if number > 1 else b"\n") + annotation)
    categories = [{"id": n + 1, "name": name} for n, name in sorted(names.items())]
    out.write(b'],\n"categories":' + wire.encode(categories) + b"}\n")
    return Exported(images, left_out)


def write_yolo(lines: Lines, folder: Path, labels: Sequence[str] = ()) -> Exported:
    """A text file for each image: lines of class, centre x and y, width, height, all as 0..1.

    Files lie as the images do, under the root's name: `photos/2026/05/a.txt`; `classes.txt` names
    the classes. Items are left out as for COCO. Raises RejectError where `folder` holds files
    already, and where the job looked for nothing that has a place.
    """
    _check_places(lines)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if next(folder.iterdir(), None) is not None:
            raise RejectError(
                f"{folder}: it holds files already, wanted a new or empty folder. Name another "
                "with -o.",
                code="export",
            )
    names = dict(enumerate(labels))
    images, left_out = 0, 0
    for line in lines():
        if not _was_looked_at(line):
            left_out += 1
            continue
        marks = tuple(_marks(line))
        for mark in marks:
            _note(names, mark)
        rows = "".join(_yolo_row(mark, line["width"], line["height"]) for mark in marks)
        _write_rows(folder, line, rows)
        images += 1
    known = (names.get(number, f"class_{number}") for number in range(max(names, default=-1) + 1))
    with storage_errors(folder):
        (folder / "classes.txt").write_text("".join(f"{name}\n" for name in known), "utf-8")
    return Exported(images, left_out)


def _check_places(lines: Lines) -> None:
    """The first good line tells for all: each has the fields that the job's recipe gives."""
    fields = next((line.keys() for line in lines() if _was_looked_at(line)), _PLACED)
    if fields & _PLACELESS and not fields & _PLACED:
        raise RejectError(
            "this job says what a whole picture shows, and this format is for things with a box. "
            "Use --format csv or jsonl; --format npy for embeddings.",
            code="export",
        )


def _marks(line: Line) -> Iterator[Marked]:
    for thing in line.get("detections", ()):
        yield Marked(thing["class_id"], thing["label"], thing["score"], tuple(thing["box"]))
    for thing in line.get("texts", ()):
        xs, ys = zip(*thing["polygon"], strict=True)
        yield Marked(
            class_id=0,
            label="text",
            score=thing["score"],
            box=(min(xs), min(ys), max(xs), max(ys)),
            outline=tuple(edge for corner in thing["polygon"] for edge in corner),
            text=thing["text"],
        )


def _note(names: dict[int, str], mark: Marked) -> None:
    known = names.setdefault(mark.class_id, mark.label)
    if known != mark.label:
        raise RejectError(
            f"class {mark.class_id} is called both '{known}' and '{mark.label}': this format has "
            "one name for each. Use --format jsonl or csv.",
            code="export",
        )


def _was_looked_at(line: Line) -> bool:
    return line["status"] == "ok" and "same_as" not in line


def _image(line: Line) -> dict[str, object]:
    image = {
        "id": line["i"],
        "file_name": _file_name(line),
        "width": line["width"],
        "height": line["height"],
        "item": line["item"],
    }
    if line.get("taken_at"):
        image["date_captured"] = line["taken_at"]
    if line.get("frame"):
        image["frame"] = line["frame"]
    return image


def _file_name(line: Line) -> str:
    """A file's path within its root; of a frame, that of the picture a program would make of it."""
    path = PurePosixPath(_path(line["item"]))
    frame = line.get("frame")
    return str(path.with_name(f"{path.stem}{_numbered(frame)}.jpg") if frame else path)


def _numbered(frame: Mapping[str, Any] | None) -> str:
    return f"_{frame['number']:06d}" if frame else ""


def _annotation(number: int, image: int, mark: Marked) -> dict[str, object]:
    x1, y1, x2, y2 = mark.box
    width, height = round(x2 - x1, 2), round(y2 - y1, 2)
    annotation: dict[str, object] = {
        "id": number,
        "image_id": image,
        "category_id": mark.class_id + 1,
        "bbox": [x1, y1, width, height],
        "area": round(_area(mark.outline) if mark.outline else width * height, 2),
        "iscrowd": 0,
        "score": mark.score,
    }
    if mark.outline:
        annotation |= {"segmentation": [mark.outline], "text": mark.text}
    return annotation


def _area(outline: Sequence[float]) -> float:
    xs, ys = outline[0::2], outline[1::2]
    twice = sum(xs[n - 1] * ys[n] - xs[n] * ys[n - 1] for n in range(len(xs)))
    return abs(twice) / 2


def _path(item: str) -> str:
    # JSON holds UTF-8 only: another name stays percent-encoded, as in the manifest.
    try:
        return split_address(item)[1].decode()
    except UnicodeDecodeError:
        return item.partition(":")[2]


def _yolo_row(mark: Marked, width: int, height: int) -> str:
    x1, x2 = (min(max(x / width, 0.0), 1.0) for x in (mark.box[0], mark.box[2]))
    y1, y2 = (min(max(y / height, 0.0), 1.0) for y in (mark.box[1], mark.box[3]))
    numbers = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
    return f"{mark.class_id} {' '.join(f'{number:.6f}' for number in numbers)}\n"


def _write_rows(folder: Path, line: Line, rows: str) -> None:
    item, frame = line["item"], line.get("frame")
    root, path = item.partition(":")[0], Path(_path(item))
    if not ROOT_NAME.fullmatch(root) or path.is_absolute() or ".." in path.parts or not path.name:
        raise RejectError(f"item {item!r}: this is no address within a root", code="export")
    number = _numbered(frame)
    target = folder / root / path
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(target.with_name(f"{path.stem}{number}.txt"), "x", encoding="utf-8") as file:
                file.write(rows)
        except FileExistsError:
            # a.jpg and a.png in one folder: the second keeps its ending, a.png.txt.
            target.with_name(f"{path.name}{number}.txt").write_text(rows, "utf-8")
