"""The user's own labels, COCO JSON, folders or CSV, to how well two variants do by them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasfarm.core.findings import Finding
from nasfarm.errors import RejectError
from nasfarm.storage.atomic import storage_errors
from nasfarm_models.agreement.boxes import pooled_ap50
from nasfarm_models.agreement.classes import top1
from nasfarm_models.compare import Answers
from nasfarm_models.quantize.gates import OwnLabels

Boxes = Mapping[str, Sequence[Finding]]
"""File name → what is on it."""


def own_boxes(place: Path, labels: Sequence[str]) -> dict[str, list[Finding]]:
    """Boxes of a COCO JSON by file name, those of categories the model does not know left out.

    Raises RejectError (code `labels`), StorageError.
    """
    try:
        with storage_errors(place):
            said: Any = json.loads(place.read_bytes())
        names = {each["id"]: each["name"] for each in said["categories"]}
        files = {each["id"]: Path(each["file_name"]).name for each in said["images"]}
        found: dict[str, list[Finding]] = {name: [] for name in files.values()}
        for each in said["annotations"]:
            x, y, width, height = (float(number) for number in each["bbox"])
            label = names[each["category_id"]]
            if label in labels:
                box = (x, y, x + width, y + height)
                found[files[each["image_id"]]].append(Finding(box, score=1.0, label=label))
    except (ValueError, KeyError, TypeError) as error:
        raise RejectError(f"{place}: not COCO JSON: {error!r}", code="labels") from error
    return found


def own_classes(place: Path, labels: Sequence[str]) -> dict[str, int]:
    """Class numbers of a folder with a folder a class, by path, or of a CSV `file,label`, by name.

    Raises RejectError (code `labels`) where none fits the model, StorageError.
    """
    if place.is_dir():
        with storage_errors(place):
            pairs = [(str(each.resolve()), each.parent.name) for each in place.glob("*/*")]
    else:
        with storage_errors(place), place.open(newline="", encoding="utf-8") as file:
            pairs = [(Path(row[0]).name, row[1].strip()) for row in csv.reader(file) if row[1:]]
    numbers = {label: number for number, label in enumerate(labels)}
    found = {name: numbers[label] for name, label in pairs if label in numbers}
    if not found:
        raise RejectError(
            f"{place}: expected names of the model's classes, such as '{labels[0]}', got "
            f"{sorted({label for _, label in pairs})[:5]}. `labels.txt` beside the model has all.",
            code="labels",
        )
    return found


def against_boxes(
    truth: Boxes, photos: Sequence[Path], fp32: Answers, variant: Answers
) -> OwnLabels | None:
    """Both variants' AP50 on the labelled photos; None where none of the photos is labelled."""
    places = [place for place, photo in enumerate(photos) if photo.name in truth]
    if not places:
        return None
    wanted = [truth[photos[place].name] for place in places]
    first, second = (
        pooled_ap50(wanted, [each.boxes[place] for place in places]) for each in (fp32, variant)
    )
    return OwnLabels("AP50", len(places), first, second)


def against_classes(
    truth: Mapping[str, int], photos: Sequence[Path], fp32: Answers, variant: Answers
) -> OwnLabels | None:
    """Both variants' top-1 on the labelled photos; None where none of the photos is labelled."""
    known = {
        place: truth.get(photo.name, truth.get(str(photo.resolve())))
        for place, photo in enumerate(photos)
    }
    places = [place for place, number in known.items() if number is not None]
    if not places or fp32.classes is None or variant.classes is None:
        return None
    wanted = np.array([known[place] for place in places])
    first, second = (top1(each[places], wanted) for each in (fp32.classes, variant.classes))
    return OwnLabels("top-1", len(places), first, second)
