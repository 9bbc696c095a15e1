"""A YAML file to a mapping; what is not one is refused with the file and the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nasfarm.errors import RejectError
from nasfarm.storage.atomic import storage_errors


def read_mapping(path: Path) -> dict[str, Any]:
    """The file's keys and values; empty where the file is empty or not there.

    Raises RejectError for bad YAML or a key written twice, StorageError for an unreadable file.
    """
    with storage_errors(path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return {}
    return parse_mapping(content, str(path))


def parse_mapping(content: bytes, place: str) -> dict[str, Any]:
    """YAML text to a mapping; `place` begins every message. Raises RejectError."""
    import yaml  # costs 20 ms that `farm --help` does not have

    try:
        root = yaml.compose(content, Loader=yaml.SafeLoader)
        _refuse_twins(root, place, set())
        value = yaml.safe_load(content)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RejectError(f"{place}: {line}this is not YAML: {problem}", code="format") from error
    except RecursionError as error:
        raise RejectError(f"{place}: lists lie too deep in each other", code="format") from error
    except ValueError as error:  # a date such as 2026-13-40
        raise RejectError(f"{place}: this is not YAML: {error}", code="format") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RejectError(
            f"{place}: expected lines of the form 'name: value', got {value!r:.40}", code="format"
        )
    return {str(key): entry for key, entry in value.items()}


def _refuse_twins(node: Any, place: str, met: set[int]) -> None:
    # PyYAML keeps the last of two equal keys silently: a second `roots:` would drop the first. And
    # a few lines of parts that repeat each other by `*name` are millions, or without an end.
    import yaml

    if isinstance(node, yaml.CollectionNode):
        if id(node) in met:
            line = node.start_mark.line + 1
            raise RejectError(
                f"{place}: line {line}: this part is repeated by '*'; write it out", code="format"
            )
        met.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            _refuse_twins(entry, place, met)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, entry in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            line = key.start_mark.line + 1
            raise RejectError(
                f"{place}: line {line}: '{key.value}' is there twice; keep one", code="format"
            )
        seen.add(str(key.value))
        _refuse_twins(entry, place, met)
