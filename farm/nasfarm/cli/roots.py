"""`farm roots`: the folders the farm may read, by name."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, say, table

if TYPE_CHECKING:
    from nasfarm.nodes.roots import Root


def name_root(session: Session, name: str, path: Path) -> Root:
    """Let this machine read a folder under a name; doing so again is harmless."""
    from nasfarm import config
    from nasfarm.nodes.roots import add_root

    settings = session.farm().settings
    root = add_root(settings.state_dir, name, path, settings.roots)
    config.add_root_path(settings.state_dir, root.name, root.path)
    return root


@click.group()
def roots() -> None:
    """Name the folders that hold your pictures."""


@roots.command("add")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@as_json
@click.pass_obj
def add(session: Session, name: str, path: Path, as_json: bool) -> None:
    """Let this machine read the folder PATH, and call it NAME on every machine."""
    root = name_root(session, name, path)
    if as_json:
        document({"name": root.name, "path": str(root.path)})
    else:
        folder = shlex.quote(str(path))
        say(f"{root.name} is {root.path}")
        say(f"Next: farm up --detach, then: farm submit {folder} --recipe detect --wait")


@roots.command("list")
@as_json
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show this machine's roots and whether they are there."""
    from nasfarm.nodes.roots import known_roots, present

    settings = session.farm().settings
    known = [
        {"name": root.name, "path": str(root.path), "state": "here" if present(root) else "away"}
        for root in known_roots(settings.state_dir, settings.roots)
    ]
    if as_json:
        document(known)
    else:
        table(("name", "path", "state"), (tuple(root.values()) for root in known))
