"""The command line to its commands; here our errors become exit statuses."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import nasfarm
from nasfarm.errors import FarmError, MissingExtraError, RejectError, UnknownNameError

if TYPE_CHECKING:
    from nasfarm.api import Farm
    from nasfarm.config import Settings

TRY_AGAIN = 75
"""Exit status where the farm cannot do it now (EX_TEMPFAIL)."""

SECTIONS = {
    "First steps": {
        "demo": "Find things and words in sample photos; leaves nothing running",
        "init": "Make the farm's folder and fetch the models it needs",
        "roots": "Name the folders that hold your pictures",
        "up": "Start the farm on this machine",
        "down": "Stop it; unfinished jobs go on at the next `farm up`",
    },
    "Jobs": {
        "submit": "Hand in pictures",
        "results": "What was found, for you or for another program",
        "report": "What was found as a page: pictures, charts, what failed",
        "status": "How far a job is, or the whole farm",
        "jobs": "The newest jobs, or every one",
        "wait": "Follow a job until it ends",
        "failed": "Which pictures failed, and why",
        "retry": "Run those once more",
        "cancel": "Stop a job for good",
    },
    "The farm": {
        "recipes": "What the farm can look for",
        "models": "Fetch and see the models it looks with",
        "tune": "Find the fastest way to use this machine, and keep to it",
        "bench": "Measure this farm against the fastest this machine can do",
        "nodes": "Which boxes lend their cores now",
        "pause": "Have a box stop working at once, until it is told to go on",
        "drain": "Have a box finish what it runs and take no more",
        "resume": "Have a paused or drained box go on",
        "doctor": "Check this machine and the farm; each finding with what mends it",
        "reconcile": "Look after lost work at once; safe at any time",
        "gc": "Remove what the keep rules keep no longer",
        "worker": "Lend this machine's cores (`farm up` starts it)",
        "serve": "Show the farm in a browser (`farm up` starts it)",
        "users": "Who may log in to the status page",
        "watch": "Take what is dropped into the inbox (`farm up` starts it)",
        "flower": "Show workers and tasks in a browser, read-only (`farm up` starts it)",
        "broker": "Run the queue's server by itself, for boxes that share it",
    },
}
"""The commands as --help lists them: the lines stand here so that it need not import them all."""
PARTS = {"worker": "worker", "tune": "worker", "bench": "worker", "models": "models"}
"""Commands that another part of nasfarm brings, and the extra that installs it."""


class Session:
    """What every command gets: the home the user named, and the farm in it once it is needed."""

    def __init__(self, home: Path | None) -> None:
        self._home = home

    def farm(self) -> Farm:
        from nasfarm.api import Farm  # Redis and YAML: not for --help

        return Farm(self._home)

    def upgraded(self) -> Farm:
        """As `farm`, for a command that runs the farm: an older release's home is brought to this
        one's format first.
        """
        from datetime import date

        from nasfarm.cli.show import say
        from nasfarm.upgrade import upgrade

        farm = self.farm()
        upgrade(farm.settings.home, date.today(), say)
        return farm

    def settings(self) -> Settings:
        """The settings alone, for what asks little and often."""
        from nasfarm import config

        return config.load(self._home, os.environ)

    def unread(self) -> Settings:
        """The folders alone, for what has to work while farm.yml cannot be read."""
        from nasfarm import config

        return config.unread(self._home, os.environ)


class Commands(click.Group):
    """Finds commands by name, imports only the one that runs, and translates our errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in SECTIONS.values() for name in section]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([*commands.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in PARTS:
            return _brought(cmd_name)
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"nasfarm.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            raise UnknownNameError.of(
                "command", args[0], self.list_commands(ctx), "See: farm --help"
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FarmError as error:
            click.echo(f"farm: {error}", err=True)
            sys.exit(2 if isinstance(error, RejectError) else TRY_AGAIN)
        except OSError as error:
            if isinstance(error, BrokenPipeError):  # the reader, e.g. `head`, has seen enough
                sys.stderr.close()
                sys.exit(0)
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"farm: {where}{error.strerror or error}. Check the disk.", err=True)
            sys.exit(TRY_AGAIN)


def _brought(name: str) -> click.Command | None:
    """A command of another part; one that says what to install where that part is missing."""
    from importlib.metadata import entry_points  # 0.05 s that no other command needs

    for entry in entry_points(group="nasfarm.commands", name=name):
        try:
            command: click.Command = entry.load()
            return command
        except ModuleNotFoundError:
            break
    return _missing(name, PARTS[name])


def _missing(name: str, extra: str) -> click.Command:
    def refuse(**_: object) -> None:
        raise MissingExtraError(
            f"`farm {name}` is not installed here. Install it with: pip install 'nasfarm[{extra}]'"
        )

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    help_text = f"(not installed here: pip install 'nasfarm[{extra}]')"
    return click.Command(name, callback=refuse, help=help_text, context_settings=settings)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with `farm demo`. What a command takes: farm COMMAND --help",
)
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="The farm's folder on shared storage (default: $FARM_HOME or ~/nasfarm).",
)
@click.version_option(nasfarm.__version__, prog_name="nasfarm")
@click.pass_context
def main(ctx: click.Context, home: Path | None) -> None:
    """Find people, things and text in your pictures, on the CPUs of your NAS boxes."""
    ctx.obj = Session(home)
