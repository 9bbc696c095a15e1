"""The project itself: everything is explained, small, light to import, and locked."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nasfarm.cli.root import main
from needs import needs, needs_tool

TOP = Path(__file__).parents[2]
PACKAGES = ("farm/nasfarm", "workers/nasfarm_workers", "models/nasfarm_models")
MODULES = sorted(path for package in PACKAGES for path in (TOP / package).rglob("*.py"))
FLOWS = ("farm/nasfarm/submit.py", "workers/nasfarm_workers/pipeline.py")
LOCKS = ("all", "dev")
LIBRARIES = {"numpy", "onnxruntime", "celery"}


def short_name(path: Path) -> str:
    return str(path.relative_to(TOP))


def all_commands(command: click.Command, words: str) -> Iterator[tuple[str, click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None, f"{words} lists {name} but has no such command"
            yield from all_commands(below, f"{words} {name}")


COMMANDS = dict(all_commands(main, "farm"))


def run_python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_option_has_a_help_text(words: str) -> None:
    command = COMMANDS[words]
    assert command.help, f"`{words}` has no help text"
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            assert param.help, f"`{words} {param.opts[0]}` has no help text"


@pytest.mark.parametrize("words", [words for words in COMMANDS if words != "farm"])
def test_readme_or_guide_names_every_command(words: str) -> None:
    pages = [TOP / "README.md", *(TOP / "docs" / "guide").rglob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    # `farm roots add|list` and a line of a shell session both name the command.
    group, _, last = words.rpartition(" ")
    alternatives = rf"{re.escape(group)} (?:[\w-]+\|)*{re.escape(last)}\b"
    assert re.search(alternatives, text), f"neither README.md nor docs/guide names `{words}`"


@pytest.mark.parametrize("path", MODULES, ids=short_name)
def test_every_module_says_what_it_is_and_stays_readable(path: Path) -> None:
    text = path.read_text()
    assert not text or ast.get_docstring(ast.parse(text)), "it does not open with a docstring"
    lines = text.count("\n")
    limit = 100 if short_name(path) in FLOWS else 300
    assert lines <= limit, f"{lines} lines; at most {limit}"


def test_the_two_flows_are_where_the_readme_says() -> None:
    assert {short_name(path) for path in MODULES} >= set(FLOWS)


@pytest.mark.parametrize(
    "statement", ["import nasfarm", "from nasfarm import Farm", "from nasfarm.cli import main"]
)
def test_handing_in_work_loads_no_arrays_no_models_and_no_celery(statement: str) -> None:
    loaded = run_python("-c", f"{statement}\nimport sys\nprint(*sys.modules)").split()
    assert "nasfarm" in loaded
    assert not LIBRARIES & set(loaded)


def test_help_comes_at_once() -> None:
    took_s = []
    for _ in range(3):
        start = time.monotonic()
        assert "farm demo" in run_python("-m", "nasfarm", "--help")
        took_s.append(time.monotonic() - start)
    assert min(took_s) < 1


def tracked_files() -> list[Path]:
    needs((TOP / ".git").exists(), "this is not a git clone: which files belong to it is unknown")
    git = needs_tool("git")
    done = subprocess.run(
        # A container's root may look at a clone that another user made.
        [git, "-c", f"safe.directory={TOP}", "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        cwd=TOP, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = filter(None, done.stdout.split("\0"))
    return [path for name in names if (path := TOP / name).is_file()]


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    own = re.compile(rb"(?<![\w.~$}-])/(?:work|root)/")
    found = [short_name(path) for path in tracked_files() if own.search(path.read_bytes())]
    assert found == []


def test_every_link_in_the_documents_leads_somewhere() -> None:
    pages = [path for path in tracked_files() if path.suffix == ".md"]
    broken = [
        f"{short_name(page)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert pages
    assert broken == []


def locked(name: str) -> dict[str, list[Requirement]]:
    """A lock's requirements by package; one package may have several, for different Pythons."""
    found: dict[str, list[Requirement]] = {}
    text = (TOP / "ops" / "lock" / f"{name}.lock").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        requirement = Requirement(line.partition(" --hash=")[0])
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
        assert "--hash=sha256:" in line, f"{requirement} has no hash"
    return found


def wanted(extras: set[str]) -> set[Requirement]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    optional = project["project"]["optional-dependencies"]
    texts = {*project["project"]["dependencies"], *project["build-system"]["requires"]}
    while extras:
        for requirement in map(Requirement, optional[extras.pop()]):
            if requirement.name == "nasfarm":
                extras |= requirement.extras
            else:
                texts.add(str(requirement))
    return {Requirement(text) for text in texts}


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_has_what_the_project_asks_for(name: str) -> None:
    pins = locked(name)
    for requirement in wanted({name}):
        have = pins.get(canonicalize_name(requirement.name), [])
        assert have, f"{requirement} is not in {name}.lock. Run: make lock"
        for pin in have:
            (version,) = pin.specifier
            assert version.operator == "=="
            assert version.version in requirement.specifier, f"{pin}. Run: make lock"


def test_developers_test_with_the_users_versions() -> None:
    user, developer = locked("all"), locked("dev")
    assert {package: developer.get(package) for package in user} == user


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_place_to_download_from(name: str) -> None:
    text = (TOP / "ops" / "lock" / f"{name}.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
