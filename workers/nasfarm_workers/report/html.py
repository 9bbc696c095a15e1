"""Texts to HTML that shows them, in both languages at once. Pure.

The page holds every word in English and in Chinese; its style hides the one that is not read.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

Words = tuple[str, str]
"""What is said in English and in Chinese, as plain text."""


def same(text: object) -> Words:
    """What is the same in both languages: a name, a number."""
    return (str(text), str(text))


def joined(parts: Iterable[Words], between: Words = (" ", " ")) -> Words:
    """Several words as one."""
    english, chinese = zip(*parts, strict=True)
    return (between[0].join(english), between[1].join(chinese))


def times_of(times: int, what: Words) -> Words:
    """`3 × person`, which no line break parts."""
    return (f"{times:,}\xa0×\xa0{what[0]}", f"{times:,}\xa0×\xa0{what[1]}")


def shown(value: object) -> str:
    """Any text as HTML that shows it: no tags, no control characters, always UTF-8."""
    text = str(value)
    if not text.isprintable():
        text = "".join(letter if _plain(letter) else "\ufffd" for letter in text)
    return html.escape(text)


def said(words: Words) -> str:
    """Words as HTML, in the language that is read."""
    english, chinese = map(shown, words)
    if english == chinese:
        return english
    return f'<span lang="en">{english}</span><span lang="zh">{chinese}</span>'


def _plain(letter: str) -> bool:
    # Of the invisible ones spaces are meant; others turn text around, or are half a letter.
    return letter.isprintable() or unicodedata.category(letter) == "Zs"
