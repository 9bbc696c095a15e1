"""A node's name and a wish to the file in the home that holds the node back, and from it again.

The file is the truth: any box that has the home can hold any node, one that is away too, and a hold
outlives the broker, the agent and the box. Each node has a file from its first look on, with no
hold in it: so every box knows its name, and a share's cache of what is *not* there delays nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nasfarm.core import wire
from nasfarm.core.nodes import ByHand, Hold
from nasfarm.core.settings import NODE_NAME
from nasfarm.core.times import clock
from nasfarm.errors import RejectError, StorageError
from nasfarm.storage.atomic import publish_by_rename, publish_file, storage_errors, write_file

FORMAT = 1
MOST_S = 1e11
"""Later than this, in the year 5138, is no time."""
_SAID: dict[ByHand, str] = {"pause": "paused", "drain": "drained"}


@dataclass(frozen=True, slots=True)
class _Kept:
    """What `nodes/<node>.json` holds; no reason: the node takes work."""

    format: int
    reason: ByHand | None = None
    since_s: float = 0.0


def hold(home: Path, node: str, reason: ByHand, now_s: float) -> Hold:
    """Have a node take no work from now on; one that is held so already keeps its `since_s`.

    home: FARM_HOME. now_s: seconds since 1970. Raises RejectError for what is no node's name,
    StorageError.
    """
    path = _file(home, node)
    before = hold_of(home, node)
    since_s = before.since_s if before and before.reason == reason else now_s
    _write(path, _Kept(FORMAT, reason, since_s))
    return Hold(reason, since_s, _text(node, reason, since_s))


def release(home: Path, node: str) -> bool:
    """Let a node take work again, whatever its file held; False where nothing held it.

    Raises RejectError for what is no node's name, StorageError.
    """
    path = _file(home, node)
    if hold_of(home, node) is None:
        return False
    _write(path, _Kept(FORMAT))
    return True


def hold_of(home: Path, node: str) -> Hold | None:
    """What was said of a node by hand; None where it may take work.

    A file that cannot be understood holds the node: whoever wrote it did not want it to work.
    Raises RejectError for what is no node's name, StorageError.
    """
    path = _file(home, node)
    with storage_errors(path):
        try:
            content = path.read_bytes()
            changed_s = path.stat().st_mtime
        except FileNotFoundError:
            return None
    try:
        kept = wire.decode(_Kept, content, str(path))
        if kept.format != FORMAT or not 0 <= kept.since_s < MOST_S:
            raise RejectError(f"{path}: got {content!r:.80}, wanted format {FORMAT} and a time")
    except RejectError as error:
        text = f"taken as paused, as its file cannot be understood ({error}); {_go_on(node)}"
        return Hold("pause", changed_s, text)
    if kept.reason is None:
        return None
    return Hold(kept.reason, kept.since_s, _text(node, kept.reason, kept.since_s))


def introduce(home: Path, node: str) -> None:
    """Give a node its file where it has none; one that is there stays. Raises StorageError."""
    path = _file(home, node)
    with storage_errors(path):
        if path.exists():
            return
        path.parent.mkdir(exist_ok=True)
    empty = wire.encode_pretty(_Kept(FORMAT))
    try:
        publish_file(path, empty)
    except StorageError:  # a share without hard links
        publish_by_rename(path, empty, uuid.uuid4().hex[:8], lambda: None)


def known_nodes(home: Path) -> set[str]:
    """Names of the nodes that have a file, away or not. Raises StorageError."""
    folder = home / "nodes"
    with storage_errors(folder):
        names = {path.stem for path in folder.glob("*.json")}
    return {name for name in names if NODE_NAME.fullmatch(name)}


def _file(home: Path, node: str) -> Path:
    if not NODE_NAME.fullmatch(node):
        raise RejectError(
            f"node {node!r:.80}: wanted 1 to 63 letters, digits, dots, dashes or underscores. "
            "The nodes there are: farm nodes",
            code="node",
        )
    return home / "nodes" / f"{node}.json"


def _write(path: Path, kept: _Kept) -> None:
    with storage_errors(path):
        path.parent.mkdir(exist_ok=True)
    write_file(path, wire.encode_pretty(kept))


def _text(node: str, reason: ByHand, since_s: float) -> str:
    since = datetime.fromtimestamp(since_s)
    return f"{_SAID[reason]} by hand since {clock(since, datetime.now())}; {_go_on(node)}"


def _go_on(node: str) -> str:
    return f"go on with: farm resume {node}"
