"""What a laptop may lack: a skip with its reason there, a failure in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(met: object, lacking: str) -> None:
    """Go on only where `met` is true. `lacking` says what is missing and how to get it."""
    if met:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI must have it: {lacking}")
    pytest.skip(lacking)


def needs_tool(name: str, package: str | None = None) -> str:
    """The path of a program; `package` is the Debian package that brings it."""
    path = shutil.which(name)
    needs(path, f"{name} is not installed: apt-get install {package or name}")
    return str(path)


def needs_root(why: str) -> None:
    """Go on only as root; `why` says what cannot be done otherwise."""
    needs(os.geteuid() == 0, f"only root can {why}")
