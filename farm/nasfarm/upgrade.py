"""A home of an older format → one of this release's, with a backup; a newer one is refused.

The format stands in `.farm-home`; a home without that file has format 1. Each of MIGRATIONS leads
from one format to the next: the first from 1 to 2, and so on. Two nodes may run one at once, and a
kill may end it anywhere: the next start runs it again, from its beginning. So it must do no harm to
what is done already, and `keep` every file before it changes it. See docs/adr/0022-home-format.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nasfarm.core import wire
from nasfarm.errors import NewerFormatError, RejectError
from nasfarm.storage.atomic import publish_by_rename, storage_errors, write_file

MARKER = ".farm-home"

Keep = Callable[[Path], None]
"""Copies a file of the home into the backup, unless it was before."""

Migration = Callable[[Path, Keep], None]
"""Changes a home's folder. Raises StorageError."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What `.farm-home` holds."""

    format: int


def add_nodes(home: Path, keep: Keep) -> None:
    """The folder in which it stands which nodes are paused or drained by hand."""
    with storage_errors(home):
        (home / "nodes").mkdir(exist_ok=True)


MIGRATIONS: tuple[Migration, ...] = (add_nodes,)
NEWEST = 1 + len(MIGRATIONS)


def format_of(home: Path) -> int:
    """A home's format. Raises RejectError where the file that tells it is damaged, StorageError."""
    path = home / MARKER
    with storage_errors(path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return 1
    mend = f"Delete {path}, then run: farm init"
    try:
        found = wire.decode(Marker, content, str(path)).format
    except RejectError as error:
        raise RejectError(f"{error}. {mend}", code="format") from error
    if found < 1:
        raise RejectError(f"{path}: got format {found}, wanted 1 or more. {mend}", code="format")
    return found


def refuse_newer(home: Path, newest: int = NEWEST) -> int:
    """A home's format, which this release knows. Raises NewerFormatError, and as `format_of`."""
    found = format_of(home)
    if found > newest:
        raise NewerFormatError(
            f"{home}: this home was made by a newer nasfarm (its format is {found}, this release "
            f"knows up to {newest}). Nothing was changed. Update nasfarm on this box."
        )
    return found


def begin(home: Path) -> None:
    """Mark a home that is about to be made: it has the newest format from the start."""
    write_file(home / MARKER, wire.encode_pretty(Marker(NEWEST)))


def upgrade(
    home: Path,
    today: date,
    say: Callable[[str], None],
    migrations: Sequence[Migration] = MIGRATIONS,
) -> None:
    """Bring a home to the newest format, or leave alone what is no home.

    Raises RejectError for a newer or damaged one, StorageError.
    """
    if not (home / "farm.yml").exists():
        return
    newest = 1 + len(migrations)
    first = refuse_newer(home, newest)
    for number in range(first, newest):
        backup = Backup(home, number, today)
        for path in written_by_hand(home):
            backup.keep(path)
        migrations[number - 1](home, backup.keep)
        if format_of(home) <= number:  # else a newer release has been quicker
            write_file(home / MARKER, wire.encode_pretty(Marker(number + 1)))
        say(
            f"{home}: brought from format {number} to {number + 1}, which this release of nasfarm "
            f"uses. Copies of settings, and of what was changed, are in {backup.folder}"
        )


def written_by_hand(home: Path) -> Iterable[Path]:
    """Files that people will edit for this release in ways that an older one would refuse."""
    recipes = (path for path in (home / "recipes").glob("*.yml") if path.is_file())
    return [home / "farm.yml", *sorted(recipes)]


@dataclass(frozen=True, slots=True)
class Backup:
    """`backup/format-<n>-<day>/` in the home: files as they were before the step from format n."""

    home: Path
    format: int
    today: date

    @property
    def folder(self) -> Path:
        """The first one of this step: another node's, or that of a try that was ended."""
        return next(iter(self.all()), self._below(f"format-{self.format}-{self.today}"))

    def all(self) -> list[Path]:
        return sorted(self._below("").glob(f"format-{self.format}-*"))

    def keep(self, path: Path) -> None:
        """Copy a file, unless a copy is there. Raises StorageError.

        It is read before it is looked for: who reads what another node has changed already finds
        the copy which that node made before.
        """
        below = path.relative_to(self.home)
        with storage_errors(path):
            content = path.read_bytes()
        if any((folder / below).exists() for folder in self.all()):
            return
        copy = self.folder / below
        with storage_errors(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
        publish_by_rename(copy, content, uuid.uuid4().hex[:8], lambda: None)

    def _below(self, name: str) -> Path:
        return self.home / "backup" / name
