"""A pattern such as `photos/**/*.jpg` to the paths that match it, each as the pattern reaches it.

Not Python's `glob`: that follows links up to their 40th repetition, so two links to a folder above
them keep it busy for ever, and it enters a NAS's own folders, which are full of thumbnails.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from nasfarm.intake.names import is_system

ANY_DEPTH = "**"


def has_pattern(argument: str) -> bool:
    """Whether it holds `*`, `?` or `[`."""
    return glob.has_magic(argument)


def matching(pattern: str) -> Iterator[str]:
    """Paths that match, in no order; one may come twice. `**` stands for any number of folders.

    Wildcards enter neither hidden nor NAS system folders, and `**` no links. A folder that matches
    stands for all that is in it. Folders that cannot be read match nothing.
    """
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if parts[-2:] == [ANY_DEPTH, "*"]:  # the same as the folder itself
        parts.pop()
    return _expanded("/" if pattern.startswith("/") else "", parts)


def _expanded(folder: str, parts: Sequence[str]) -> Iterator[str]:
    """What of `parts` is there below `folder`; at most one level of recursion for each part."""
    if not parts or list(parts) == [ANY_DEPTH]:
        # With a slash at its end a folder is meant outright, hidden or not.
        yield os.path.join(folder or ".", "") if parts else folder
        return
    part, rest = parts[0], parts[1:]
    if part == ANY_DEPTH:
        for below in _folders(folder):
            yield from _expanded(below, rest)
    elif not has_pattern(part):
        path = os.path.join(folder, part)
        if os.path.lexists(path):
            yield from _expanded(path, rest)
    else:
        for entry in _entries(folder):
            if fnmatchcase(entry.name, part) and not (rest and is_system(entry.name)):
                yield from _expanded(entry.path, rest)


def _folders(top: str) -> Iterator[str]:
    """`top` and every folder below it. As in a shell, links are not followed: they may lead up."""
    pending = [top]
    while pending:
        folder = pending.pop()
        yield folder
        pending += [
            entry.path
            for entry in _entries(folder)
            if entry.is_dir(follow_symlinks=False) and not is_system(entry.name)
        ]


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder or ".") as listing:
            yield from listing
    except OSError:  # not a folder, or one that cannot be read
        return
