"""One process at a time has a role, and to ask who has it takes it from nobody."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from nasfarm.errors import RejectError
from nasfarm.storage.locked import holder, sole


def test_a_role_that_is_held_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "run" / "page.pid"
    with sole(path, "the page"):
        assert holder(path) == os.getpid()
        with pytest.raises(RejectError, match=rf"the page is running already.*{os.getpid()}"):
            sole(path, "the page").__enter__()
    assert holder(path) is None


def test_who_only_asks_keeps_nobody_from_a_role(tmp_path: Path) -> None:
    path = tmp_path / "page.pid"
    path.touch()
    handle = os.open(path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)  # as `holder` does, for a moment
    threading.Timer(0.03, os.close, [handle]).start()
    with sole(path, "the page"):
        assert holder(path) == os.getpid()
