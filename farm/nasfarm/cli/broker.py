"""`farm broker`: the queue's server alone, for boxes that share it and for containers."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import click

from nasfarm.cli.root import Session
from nasfarm.cli.show import say


@click.command()
@click.option("--listen", default="127.0.0.1:6379", show_default=True, metavar="ADDRESS:PORT",
              help="Where it is reached; 0.0.0.0 is every address of this machine.")  # fmt: skip
@click.option("--password-file", type=click.Path(path_type=Path), metavar="FILE",
              help="Holds the password (default: the setting broker.password_file).")  # fmt: skip
@click.pass_obj
def broker(session: Session, listen: str, password_file: Path | None) -> None:
    """Run the queue's server by itself. `farm up` brings its own: this is for boxes that share one.

    They reach it as redis://farm@ADDRESS:PORT/0 with the password. Only who knows that gets in, and
    beyond this machine it does not listen without one.
    """
    from nasfarm import config, keep, log

    settings = session.farm().settings
    host, port = _address(listen)
    path = password_file or settings.broker_password_file
    password = config.read_secret(path) if path else None
    log.setup(settings.log_level, settings.logs_folder / "broker.jsonl")
    keep.keep_broker(settings.state_dir, host, port, password, say)


def _address(listen: str) -> tuple[str, int]:
    """An IP address and a port. Raises BadParameter."""
    from ipaddress import ip_address

    try:
        parts = urlsplit(f"//{listen}")
        host, port = str(ip_address(parts.hostname or "")), parts.port
    except ValueError:
        host, port = "", None
    if not host or not port:
        raise click.BadParameter(f"got {listen}, wanted an IP address and a port: 127.0.0.1:6379.")
    return host, port
