"""What a page shows, as frozen values: jobs, nodes, failures, pictures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nasfarm.core.jobs import Progress
from nasfarm.core.nodes import Hold, NodeReport
from nasfarm.core.words import number_of

WORKS, STARTING, PAUSED = "works", "starting", "paused"
DRAINING, DRAINED, AWAY = "draining", "drained", "away"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is in the way of the farm, and what mends it."""

    what: str
    found: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node. state: one of the words above. why: what keeps it from taking work.

    asked: what was said of it by hand, `pause` or `drain`. at_work: how many chunks it runs.
    """

    name: str
    state: str
    why: str = ""
    asked: str = ""
    report: NodeReport | None = None
    at_work: int = 0

    @property
    def cores(self) -> str:
        """`2 slots on cores 0 and 1`."""
        if self.report is None:
            return ""
        cores = [str(core) for slot in self.report.slots for core in slot.cores]
        on = f" on {'core' if len(cores) == 1 else 'cores'} {', '.join(cores)}" if cores else ""
        return number_of(len(self.report.slots), "slot") + on

    @property
    def waiting(self) -> list[str]:
        """The slots that do not work as they should, in words."""
        if self.report is None:
            return []
        return [
            f"slot {slot.number} is {slot.state}" + (f": {slot.error}" if slot.error else "")
            for slot in self.report.slots
            if slot.state != "ready"
        ]


@dataclass(frozen=True, slots=True)
class PictureView:
    """A drawn picture. name: the file's, as the file system has it."""

    job_id: str
    name: str


@dataclass(frozen=True, slots=True)
class FailureView:
    """A failed item. again: it is being tried once more."""

    i: int
    item: str
    code: str
    message: str
    tries: int
    node: str
    excerpt: str
    again: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page, or (`page` 1, 2, …) one of those that list every job.

    more: so many older jobs are not shown.
    """

    troubles: tuple[Trouble, ...]
    jobs: tuple[Progress, ...] = ()
    more: int = 0
    nodes: tuple[NodeView, ...] = ()
    pictures: tuple[PictureView, ...] = ()
    page: int = 0

    @property
    def title(self) -> str:
        return "Overview" if not self.page else f"Jobs, page {self.page}"


@dataclass(frozen=True, slots=True)
class JobView:
    """The page of one job. facts: what was asked for, in words. failed_more: are there more than
    these failures. retry: its failures can be tried again now.
    """

    job_id: str
    troubles: tuple[Trouble, ...]
    progress: Progress | None = None
    facts: tuple[tuple[str, str], ...] = ()
    failures: tuple[FailureView, ...] = ()
    failed_more: bool = False
    retry: bool = False
    report: bool = False
    pictures: tuple[PictureView, ...] = ()

    @property
    def title(self) -> str:
        return f"Job {self.job_id}"


View = Overview | JobView


def nodes_of(
    reports: Sequence[NodeReport],
    known: Iterable[str],
    asked: Mapping[str, Hold],
    at_work: Mapping[str, int],
) -> tuple[NodeView, ...]:
    """The nodes that are there, and those that are not but are known or held, by name.

    asked: by hand. at_work: node → chunks it runs.
    """
    alive = {report.node: report for report in reports}
    views = []
    for name in sorted({*alive, *known, *asked}):
        report, hold, chunks = alive.get(name), asked.get(name), at_work.get(name, 0)
        by_hand = hold.reason if hold else ""
        if report is None:
            why = hold.text if hold else "It went without a word."
            views.append(NodeView(name, AWAY, why, by_hand))
            continue
        # What was just asked for is reported with the next heartbeat.
        why = report.paused or (hold.text if hold else "")
        state = state_of(report, hold, chunks)
        views.append(NodeView(name, state, why, by_hand, report, chunks))
    return tuple(views)


def state_of(report: NodeReport, asked: Hold | None, at_work: int) -> str:
    """One word for a node that is there."""
    reasons = {hold.reason for hold in report.held} | ({asked.reason} if asked else set())
    if reasons == {"drain"}:
        return DRAINING if at_work else DRAINED
    if reasons or report.paused:
        return PAUSED
    return STARTING if any(slot.state != "ready" for slot in report.slots) else WORKS
