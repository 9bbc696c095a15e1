"""`farm users`: who may log in to this node's status page."""

from __future__ import annotations

from pathlib import Path

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import as_json, document, say, table


@click.group()
def users() -> None:
    """Say who may log in to this machine's status page, where others can reach it."""


@users.command()
@click.argument("name")
@click.option(
    "--role", type=click.Choice(["read", "operate"]), required=True,
    help="read: sees everything. operate: may also pause nodes and try pictures again.",
)  # fmt: skip
@click.option(
    "--password-file", type=click.Path(path_type=Path),
    help="A file with the password; without it you are asked.",
)  # fmt: skip
@click.pass_obj
def add(session: Session, name: str, role: str, password_file: Path | None) -> None:
    """Let NAME log in; one that is there gets this password and role."""
    from nasfarm.config import read_secret
    from nasfarm.web.users import Users

    store = Users(session.unread().state_dir)
    if password_file is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = read_secret(password_file)
    new = store.put(name, password, "operate" if role == "operate" else "read")
    say(f"{name} may {'log in now' if new else 'log in with the new password'} ({role}).")


@users.command(name="list")
@as_json
@click.pass_obj
def list_users(session: Session, as_json: bool) -> None:
    """Show who may log in."""
    from nasfarm.web.users import Users

    known = Users(session.unread().state_dir).all()
    if as_json:
        document([{"name": name, "role": user.role} for name, user in sorted(known.items())])
    elif known:
        table(("name", "role"), ((name, user.role) for name, user in sorted(known.items())))
    else:
        say("No user yet. Make one: farm users add NAME --role operate")


@users.command()
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Let NAME log in no more; where they are logged in, that ends at once."""
    from nasfarm.web.users import Users

    Users(session.unread().state_dir).remove(name)
    say(f"{name} may no longer log in.")
