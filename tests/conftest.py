"""What every test gets: a seed that is printed, a clean environment, and real farms on demand."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farmyard import Farmyard
from needs import needs

MODELS = ("nanodet-g", "ppocr-v4", "efficientnet-lite0", "sample-photos")
"""What the built-in recipes and the tests look at; fetched once into the user's cache."""

SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed", type=int, help="What random tests start from (default: $FARM_SEED, else drawn)."
    )


@pytest.hookimpl(tryfirst=True)  # before Hypothesis reads its seed
def pytest_configure(config: pytest.Config) -> None:
    said = config.getoption("--seed")
    if said is None:
        said = int(os.environ.get("FARM_SEED") or random.SystemRandom().randrange(2**31))
    config.stash[SEED] = config.option.seed = said  # the option reaches the other processes, too
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = str(said)
    # No test sees the settings of the user's own farm, and none can touch it by accident.
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        del os.environ[name]
    # A farm's commands start from compiled modules, as they do for its users.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # Sessions opened in a test's own process, RapidOCR's too, would write a file into /tmp.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def pytest_sessionstart(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"seed {session.config.stash[SEED]} (the same again: --seed)")


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The number that random choices of this run start from."""
    return pytestconfig.stash[SEED]


@pytest.fixture
def chance(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Random choices of one test: the same for the same seed, whatever ran before it."""
    return random.Random(f"{seed} {request.node.nodeid}")


@pytest.fixture(scope="session", autouse=True)
def own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever asks for the user's state folder (`farm demo`) gets one that goes with the run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("xdg-state")))
        # A killed process leaves its temporary files: they go with the run, too.
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
        yield


@pytest.fixture(scope="session")
def cached_models(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The models are in the user's cache (XDG_CACHE_HOME): a second run of the tests pulls none."""
    command = [sys.executable, "-m", "nasfarm", "--home", str(tmp_path_factory.mktemp("pull"))]
    done = subprocess.run(
        [*command, "models", "pull", *MODELS, "--to-cache-only"],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    needs(done.returncode != 75, f"the models cannot be fetched: {done.stderr}")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def farm_home(tmp_path: Path, cached_models: None) -> Iterator[Farmyard]:
    """A home with models, made by `farm init`; whatever the test starts in it is ended."""
    yard = Farmyard(tmp_path / "farm")
    try:
        yard.ok("init")
        yield yard
    finally:
        yard.close()


@pytest.fixture
def running_farm(farm_home: Farmyard) -> Farmyard:
    """A farm of one node that is up: embedded broker, agent, a slot a core."""
    farm_home.up()
    return farm_home
