"""The kernel's events of a drop folder → which files were closed after writing; that any changed.

Events come on local disks only, and some may be lost: they make the watcher quick, looking makes it
right.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nasfarm.storage.mounts import filesystem, is_network

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

log = logging.getLogger(__name__)

_WATCHED = ("created", "modified", "moved", "closed")


def tells(folder: Path) -> bool:
    """Whether the kernel tells of what others do in a folder: on shares and most of FUSE it does
    not.
    """
    kind = filesystem(folder)
    return not (is_network(kind) or kind.startswith("fuse"))


class Noticed:
    """What events have told since it was last asked. Filled by a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told = threading.Event()
        self._closed: set[str] = set()

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take in an event, as watchdog's handlers do."""
        if event.event_type not in _WATCHED or (
            event.is_directory and event.event_type == "modified"
        ):
            return
        if event.event_type == "closed" and not event.is_directory:
            self._note(event.src_path)
        elif event.event_type == "moved" and not event.is_directory:
            self._note(event.dest_path)
        self._told.set()

    def _note(self, path: bytes | str) -> None:
        with self._lock:
            self._closed.add(os.fsdecode(path))

    def wait(self, most_s: float) -> set[str]:
        """Paths of files that were closed or moved here, once there are any or the time is up."""
        self._told.wait(most_s)
        self._told.clear()
        with self._lock:
            closed, self._closed = self._closed, set()
        return closed


@contextmanager
def noticing(folders: list[Path]) -> Iterator[Noticed]:
    """Listen to folders and all below them while the block runs."""
    from watchdog.observers import Observer

    noticed = Noticed()
    observer = Observer()
    for folder in folders:
        observer.schedule(noticed, os.fspath(folder), recursive=True)  # type: ignore[arg-type]
    try:
        observer.start()
    except OSError as error:  # too many folders for the kernel's limit: looking still finds all
        fields = {"action": "no_events", "reason": error.strerror}
        log.warning("the kernel tells nothing of new files, looking for them instead", extra=fields)
    try:
        yield noticed
    finally:
        observer.unschedule_all()  # also of one that could not start
        if observer.is_alive():
            observer.stop()
            observer.join()
