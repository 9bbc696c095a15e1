"""Photos to the batches a model eats, by the very code the workers use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nasfarm.core.findings import Finding
from nasfarm.core.lines import Fault
from nasfarm.core.models import InputSpec
from nasfarm.errors import RejectError
from nasfarm.storage.atomic import storage_errors
from nasfarm_workers.pixels import Blob
from nasfarm_workers.runtime.batch import Batch, batches
from nasfarm_workers.runtime.decode import decode
from nasfarm_workers.runtime.views import crops, whole


def photo_batches(photos: Sequence[Path], spec: InputSpec, most: int = 1) -> list[Batch]:
    """Batches of at most `most` photos; a model of crops gets each photo as one crop.

    Raises RejectError (code `decode`), StorageError.
    """
    pictures = []
    for path in photos:
        with storage_errors(path):
            content = path.read_bytes()
        picture = decode(Blob(content), path.name, 0)
        if isinstance(picture, Fault):
            raise RejectError(picture.message, code="decode")
        pictures.append(picture)
    if spec.kind == "strip":
        frames = [[Finding((0, 0, each.width, each.height), score=1.0)] for each in pictures]
        return list(batches(crops(pictures, frames), spec, most))
    return list(batches(whole(pictures), spec, most))
