"""What a summary counts of a job's lines, and how much of it that keeps."""

from __future__ import annotations

from typing import Any

import pytest

from nasfarm_workers.recipes import counts as module
from nasfarm_workers.recipes.counts import Counts


def page(*texts: str) -> dict[str, Any]:
    return {"status": "ok", "texts": [{"text": text} for text in texts]}


def test_a_summary_counts_the_sources_the_surest_first() -> None:
    counts = Counts()
    for source in ("mtime", "name", "mtime", "exif", ""):
        counts.add({"status": "ok", **({"time_source": source} if source else {})})
    assert counts.times == (("exif", 1), ("name", 1), ("mtime", 2))


def test_of_words_without_number_the_first_are_counted_and_the_most_frequent_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_WORDS", 2000)
    counts = Counts()
    many = 2050
    for n in range(many):
        counts.add(page(f"{n:07d}", "the same"))
    for _ in range(3):
        counts.add(page("0000007"))
    assert (len(counts.found), len(counts.most_first)) == (2000, module.MOST_LISTED)
    assert counts.most_first[:3] == (("the same", many), ("0000007", 4), ("0000000", 1))
    assert tuple(map(str, counts.notes)) == (
        "More than 2,000 different things or texts were found; the summary lists the 1,000 most "
        "frequent.",
    )


def test_a_job_whose_words_are_all_listed_needs_no_note() -> None:
    counts = Counts()
    counts.add(page("a", "b", "a"))
    assert (counts.most_first, counts.notes) == ((("a", 2), ("b", 1)), ())


def test_a_summary_says_how_many_pictures_were_not_looked_at_again() -> None:
    counts = Counts()
    counts.add(page())
    for _ in range(1200):
        counts.add({**page(), "inherited": 0})
    counts.add({"status": "error"})
    assert tuple(map(str, counts.notes)) == (
        "1,200 of 1,202 pictures showed what an earlier one did, and have its result.",
    )
