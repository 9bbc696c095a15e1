"""Log records to JSON lines in a bounded file or on stderr; to short lines on a terminal.

A call has a constant sentence and fields: `log.info("chunk done", extra={"action": "chunk_done"})`.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from nasfarm.storage.atomic import storage_errors

FILE_BYTES = 5_000_000
KEPT_FILES = 4
"""With the current one, a process never keeps more than 25 MB of logs."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def setup(level: str, path: Path | None) -> None:
    """Send every record of `level` (debug, info, warning, error) or above to one place.

    path: the log file of this process alone: two that rotate one file lose each other's lines.
    None means stderr. Calling it again replaces what it set before. Raises StorageError.
    """
    handler = _to_stderr() if path is None else _to_file(path)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time (UTC), level, logger, message, then its fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class ShortLines(logging.Formatter):
    """A record for people: local time, the level where it matters, the sentence, its fields."""

    def format(self, record: logging.LogRecord) -> str:
        clock = _time(record).astimezone().strftime("%H:%M:%S")
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        fields = {name: value for name, value in _fields(record).items() if name != "action"}
        shown = "".join(f"  {name}={value}" for name, value in fields.items())
        text = f"{clock} {level}{record.getMessage()}{shown}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _to_stderr() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ShortLines() if sys.stderr.isatty() else JsonLines())
    return handler


def _to_file(path: Path) -> logging.Handler:
    from logging.handlers import RotatingFileHandler  # brings socket and pickle with it

    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            path,
            maxBytes=FILE_BYTES,
            backupCount=KEPT_FILES,
            encoding="utf-8",
            errors="backslashreplace",  # file names need not be UTF-8
        )
    handler.setFormatter(JsonLines())
    return handler


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}
