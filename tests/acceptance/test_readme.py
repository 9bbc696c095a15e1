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
from nasfarm.upgrade import MARKER
from ownbroker import guides_redis

pytestmark = pytest.mark.short

TREE = Path(__file__).parents[2]
README = TREE / "README.md"
GUIDE = TREE / "docs" / "guide"
PAGES = [README, TREE / "README.zh.md", *sorted(GUIDE.glob("*.md"))]
ONE_BOX = [
    "README", "first-hour", "submit", "videos", "results", "report", "recipes", "people",
    "counting", "models", "running", "inbox", "keeping", "security", "status-page",
]  # fmt: skip
"""Read in this order, in a home that is fresh for the first; one alone is read in a fresh home."""
STARTS_ITSELF = ("README", "first-hour", "running")
OWN_HOME = ["cameras", "upkeep"]
"""Each is read in a home of its own, its farm up: they change its settings, or remove it."""
SECOND_BOX = GUIDE / "second-box.md"
BLOCK = re.compile(r"^```(\w+) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
JOB = re.compile(r"\b[a-z]+(-[a-z]+)*-[0-9a-f]{10}(-\d+)?\b")
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
    """Do what a page says, as its reader, whose folder is `/home/me` in it."""
    job, said = "", ""
    for block in blocks(page):
        box = boxes[block.word]
        if block.kind == "sh":
            said = ""
            for line in block.text.splitlines():
                status, shown = box.type(re.sub(r"\bJOB\b", job, line))
                assert status in (0, 1), f"{page.name}: {line}: exit {status}\n{shown}"
                said += shown.replace(str(box.folder), "/home/me")
                named = JOB.search(shown)
                job = named.group() if named and "submit" in line else job
        elif block.kind == "text" and not block.after_prose:
            for line in filter(None, map(plain, block.text.splitlines())):
                assert line in plain(said), f"{page.name} promises {line!r}, but it says:\n{said}"
        elif block.kind == "yaml":
            text = block.text.replace("192.168.1.10:6379", address)
            write_named_file(box, text.replace("/home/me", str(box.folder)))


def write_named_file(box: Newcomer, text: str) -> None:
    """Add a block to the file its first line names; one that names none only shows something."""
    named = re.match(r"# ~/(\S+)\n", text)
    if named is None:
        return
    path = box.folder / named[1]
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
def two_boxes(tmp_path: Path, cached_models: None) -> Iterator[dict[str, Newcomer]]:
    """Two users' folders, the second one's blocks marked `second`. Pictures are on a share."""
    bring_pictures(tmp_path / "share" / "Pictures")
    boxes = {}
    for word, node in (("", "nas"), ("second", "second")):
        box = boxes[word] = Newcomer(tmp_path / node, {"FARM_NODE": node})
        box.folder.mkdir()
        share(tmp_path, box, "Pictures")
    yield boxes
    for box in boxes.values():
        box.close()


def share(folder: Path, box: Newcomer, name: str) -> None:
    """Let a box have a folder of the share below its user's."""
    (folder / "share" / name).mkdir(parents=True, exist_ok=True)
    (box.folder / name).symlink_to(folder / "share" / name)


@pytest.mark.parametrize("name", OWN_HOME)
def test_a_page_that_changes_the_farm_does_what_it_says(
    two_boxes: dict[str, Newcomer], tmp_path: Path, name: str
) -> None:
    box, second = two_boxes[""], two_boxes["second"]
    for each in two_boxes.values():
        share(tmp_path, each, "backup")  # as where a copy is carried over
    box.ok("init")
    box.ok("roots", "add", "photos", box.folder / "Pictures")
    box.ok("up", "--detach")
    box.submit(box.folder / "Pictures", "--recipe", "detect")
    if name == "upkeep":  # what an older release has made
        shutil.rmtree(box.home / "nodes")
        (box.home / MARKER).unlink()
    follow(page_named(name), two_boxes)
    if name == "upkeep":  # its last lines remove the second box's farm
        assert not second.processes()
        left = [path for path in second.folder.rglob("*") if path.name != ".cache"]
        assert {path.name for path in left} <= {".local", "state", "Pictures", "backup"}


@pytest.mark.skipif(len(CORES) < 2, reason="two boxes of one slot each want two cores")
def test_a_second_box_joins_as_its_page_says(
    tmp_path: Path, two_boxes: dict[str, Newcomer]
) -> None:
    for box in two_boxes.values():
        share(tmp_path, box, "nasfarm")
    first = two_boxes[""]
    first.settings = {}  # the page itself says the names
    two_boxes["second"].settings = {}
    with guides_redis(tmp_path / "redis") as address:
        follow(SECOND_BOX, two_boxes, address)
    assert not (first.state / "broker").exists()


# -- what the pages must hold ------------------------------------------------------------------


def test_whatever_a_page_has_typed_is_typed_by_a_test() -> None:
    typed = {page.stem for page in GUIDE.glob("*.md") if any(b.kind == "sh" for b in blocks(page))}
    # containers.md: by test_containers.py.
    assert typed - {*ONE_BOX, *OWN_HOME, SECOND_BOX.stem, "containers"} == set()


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
            "published chunks → results.jsonl → reduce → tables → pictures → report → summary",
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
        assert "://" in target or (page.parent / target).exists(), target


def test_the_readme_shows_its_picture_before_two_screens_are_read() -> None:
    before = README.read_text("utf-8").partition("![")[0]
    assert 0 < before.count("\n") < 60
