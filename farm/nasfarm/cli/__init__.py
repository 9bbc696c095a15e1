"""The `farm` command: one file a command, each parses, calls and prints."""

from nasfarm.cli.root import main

__all__ = ["main"]
