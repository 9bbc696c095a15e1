"""One running farm for the tests that only hand in pictures, with an ordinary user's rights."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from farmyard import Farmyard, Ran
from nasfarm_models.cache import Cache, user_cache_folder
from needs import needs_tool

NUMBERS = itertools.count(1)


@dataclass(slots=True)
class CommonYard(Farmyard):
    """A farm whose processes may read only what file modes allow, also where root runs the tests.

    Dropping two capabilities does that without another user, who could not enter root's folders.
    """

    prefix: tuple[str, ...] = ()

    def run(self, *arguments: object, timeout_s: float = 180, cwd: Path | None = None) -> Ran:
        done = subprocess.run(
            [*self.prefix, sys.executable, "-m", "nasfarm", *map(str, arguments)],
            env=self.environment(), cwd=cwd, timeout=timeout_s, capture_output=True, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="session")
def common_farm(
    tmp_path_factory: pytest.TempPathFactory, cached_models: None
) -> Iterator[CommonYard]:
    """A farm that is up, with the root `photos`; tests share it and put folders of their own there.

    Starting one takes seconds, and nothing a test hands in changes what another sees.
    """
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        setpriv = needs_tool("setpriv", "util-linux")
        prefix = (setpriv, "--bounding-set", "-dac_override,-dac_read_search")
    yard = CommonYard(tmp_path_factory.mktemp("common"), prefix=prefix)
    photos = yard.folder / "photos"
    photos.mkdir()
    try:
        yard.ok("init")
        yard.ok("roots", "add", "photos", photos)
        yard.up()
        yield yard
    finally:
        yard.close()


@pytest.fixture
def folder(common_farm: CommonYard, request: pytest.FixtureRequest) -> Path:
    """An empty folder of the test's own in the root `photos` of `common_farm`."""
    name = re.sub(r"\W+", "-", request.node.name)[:60]
    path = common_farm.folder / "photos" / f"{next(NUMBERS)}-{name}"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def samples(cached_models: None) -> dict[str, Path]:
    """The sample photos by name: astronaut.png, chelsea.png, page.png …"""
    return {path.name: path for path in Cache(user_cache_folder()).photo_folder.iterdir()}
