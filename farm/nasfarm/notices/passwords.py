"""A file in the state folder to the password in it; refused where others can read it."""

from __future__ import annotations

import stat
from pathlib import Path

from nasfarm.errors import RetryError
from nasfarm.storage.atomic import storage_errors

FOLDER = "secrets"
"""Below the state folder: each machine's own, never on the share."""


def password(path: Path) -> str | None:
    """The file's text without white space around it; None where there is no file.

    It is read anew for every use, so a change needs no restart. Raises RetryError: what is wrong
    with the file can be mended, and notices wait so long.
    """
    with storage_errors(path):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_text("utf-8", "replace").strip()
        except FileNotFoundError:
            return None
    if mode & 0o077:
        raise RetryError(
            f"{path}: others can read this password (mode {mode:o}, wanted 600). "
            f"Run: chmod 600 {path}",
            code="setting",
        )
    return text
