"""What a report is made from, as frozen values. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nasfarm.core.jobs import Job, Summary
from nasfarm.core.reduced import Note, Reduced
from nasfarm_workers.report.survey import Survey


@dataclass(frozen=True, slots=True)
class Shot:
    """An item's picture, small. jpeg: empty where it could not be opened here.

    record: its line, as JSON has it. why: why it is worth seeing.
    """

    record: Mapping[str, Any]
    jpeg: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture that zones and lines are drawn over: a heat picture, or an item's own.

    heat: name of the Heat it shows; empty for a plain picture. width, height: of the JPEG.
    """

    jpeg: bytes
    width: int
    height: int
    heat: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that one page says. images_per_s: None where it was not measured.

    notes: the summary's, as the reduce and the counts have them.
    """

    job: Job
    summary: Summary
    reduced: Reduced
    survey: Survey
    images_per_s: float | None
    shots: Sequence[Shot]
    scenes: Sequence[Scene]
    notes: Sequence[Note | str] = ()
