"""README.zh.md says what README.md says: the same commands, links and pictures, in its order."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
ENGLISH, CHINESE = TOP / "README.md", TOP / "README.zh.md"


def blocks(text: str) -> list[str]:
    """Fenced blocks: what is typed, and what is printed then."""
    return re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL)


def headings(text: str) -> list[str]:
    """Their levels, not their words; blocks have no headings."""
    without = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+(?= )", without, re.MULTILINE)


def links(text: str) -> list[str]:
    """Of links and pictures, without the one to the other language."""
    found = re.findall(r"\]\(([^)]+)\)", text)
    return [target for target in found if not target.startswith("README")]


def rows(text: str) -> list[str]:
    """First cells that are code, and how many cells each row has."""
    cells = [row.strip("|").split("|") for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)]
    return [f"{len(row)} {' '.join(re.findall(r'`[^`]+`', row[0]))}" for row in cells]


def code(text: str) -> list[str]:
    """Code words within sentences; their order may be another language's."""
    without = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return sorted(re.findall(r"`[^`\n]+`", without))


@pytest.mark.parametrize("part", [blocks, headings, links, rows, code])
def test_the_chinese_readme_has_what_the_english_one_has(
    part: Callable[[str], list[str]],
) -> None:
    english = part(ENGLISH.read_text("utf-8"))
    assert english
    assert part(CHINESE.read_text("utf-8")) == english


def test_each_readme_links_to_the_other_before_its_first_section() -> None:
    for page, other in ((ENGLISH, CHINESE), (CHINESE, ENGLISH)):
        assert f"]({other.name})" in page.read_text("utf-8").partition("\n## ")[0]


def test_the_chinese_readme_is_in_chinese() -> None:
    prose = re.sub(r"^```.*?^```$|`[^`]+`|\([^)]+\)", "", CHINESE.read_text("utf-8"),
                   flags=re.MULTILINE | re.DOTALL)  # fmt: skip
    assert len(re.findall(r"[一-鿿]", prose)) > len(re.findall(r"[A-Za-z]", prose))
