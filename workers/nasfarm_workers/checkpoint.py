"""What a rolling job's first lines came to ↔ a file in its folder, from which its next refresh goes
on instead of taking in the whole day again. ADR 29.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar

from nasfarm.core import wire
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.errors import RejectError
from nasfarm.jobs.results import parsed
from nasfarm.storage.atomic import storage_errors, write_file
from nasfarm_workers.recipes.counts import Counts
from nasfarm_workers.recipes.reduces import Reducing, begun
from nasfarm_workers.report.survey import Survey

DIGEST_BYTES = 16

R = TypeVar("R", bound=Reducing | None)


@dataclass(slots=True)
class SoFar(Generic[R]):
    """What the first lines come to, which end at byte `offset` of results.jsonl.

    reducing: None where the reduce is an installed package's, which reads all lines each time.
    items: the first item that is not in it. digest: of those bytes, and so of every line in it.
    release: whose reduce it was; another one may count differently.
    """

    reducing: R
    items: int = 0
    offset: int = 0
    digest: bytes = b""
    counts: Counts = field(default_factory=Counts)
    survey: Survey = field(default_factory=Survey)
    release: str = field(default_factory=lambda: version("nasfarm"))


def at_the_start(recipe: ResolvedRecipe) -> SoFar[Any]:
    """Before the first line."""
    return SoFar(begun(recipe))


def taken_up(path: Path, recipe: ResolvedRecipe, results: Path) -> SoFar[Any]:
    """Where the last refresh was, if `results` still begins with the lines that it knew; else the
    start. What cannot be read, or is another release's, is no checkpoint.
    """
    start = at_the_start(recipe)
    if start.reducing is None:
        return start
    kind: Any = SoFar[type(start.reducing)]  # type: ignore[misc]
    try:
        content = path.read_bytes()
        digest, body = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if digest != digest_of(body):
            return start
        kept: SoFar[Any] = wire.unpack(kind, body, str(path))
    except (OSError, RejectError):
        return start
    if kept.release != start.release or kept.digest != hashed(results, kept.offset).digest():
        return start
    return kept


def taking_in(results: Path, so_far: SoFar[Any], path: Path | None) -> Iterator[dict[str, Any]]:
    """The lines after those of `so_far` as JSON documents, one by one, each counted before its
    reader takes it in.

    What those come to before which no item is missing is written to `path`, where there is one and
    the reduce can go on from it. Raises StorageError.
    """
    path = path if so_far.reducing else None
    digest = hashed(results, so_far.offset)
    with storage_errors(results), open(results, "rb") as file:
        file.seek(so_far.offset)
        for line in file:
            record = parsed(line)
            if path and record["i"] != so_far.items:
                keep(so_far, digest.digest(), path)
                path = None
            digest.update(line)
            so_far.counts.add(record)
            so_far.survey.add(record)
            so_far.items, so_far.offset = record["i"] + 1, so_far.offset + len(line)
            yield record
    if path:
        keep(so_far, digest.digest(), path)


def keep(so_far: SoFar[Any], digest: bytes, path: Path) -> None:
    """Write the checkpoint. Raises StorageError."""
    so_far.digest = digest
    body = wire.pack(so_far)
    write_file(path, digest_of(body) + body)


def digest_of(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST_BYTES).digest()


def hashed(path: Path, count: int) -> blake2b:
    """The first `count` bytes of a file. Raises StorageError."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    with storage_errors(path), open(path, "rb") as file:
        while count > 0 and (content := file.read(min(count, 1 << 20))):
            digest.update(content)
            count -= len(content)
    return digest
