"""One receiver of one recipe: chunks in their order to notices that have arrived, and a ledger.

Each receiver has a lane of its own, so one that is down keeps only its own notices waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from nasfarm.core.notice_events import Event, Source, events_of
from nasfarm.core.notices import NoticeRule
from nasfarm.errors import FarmError, RejectError, RetryError
from nasfarm.jobs.results import chunk_lines, parsed
from nasfarm.jobs.store import JobStore
from nasfarm.notices import ledger
from nasfarm.notices.ledger import Position
from nasfarm.notices.outbox import Day
from nasfarm.notices.pictures import attached, link
from nasfarm.notices.receivers import Notice, Receiver
from nasfarm.storage.atomic import storage_errors

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 60.0
"""A receiver that is down is tried again after 1, 2, 4 … and at last every so many seconds."""

SAVE_S = 1.0
"""While notices go out, the ledger is written this often: a crash doubles no more than that."""
CALM_SAVE_S = 60.0
"""Chunks without a notice may be looked at again, so for them a disk need not wake up."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What passes did: notices that arrived or were refused for good; receivers that are down.

    failed: tries that found a receiver down.
    """

    sent: int = 0
    refused: int = 0
    waiting: int = 0
    failed: int = 0

    def __add__(self, other: Sent) -> Sent:
        return Sent(
            self.sent + other.sent, self.refused + other.refused,
            self.waiting + other.waiting, self.failed + other.failed,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lane finds things. roots: name → folder. ledger: the lane's own file."""

    recipe: str
    jobs: JobStore
    roots: Mapping[str, Path]
    ledger: Path


class Lane:
    """rules: those of the recipe that name this receiver, in their order. kind: webhook | mqtt."""

    def __init__(
        self,
        place: Place,
        rules: Sequence[NoticeRule],
        receiver: Receiver,
        kind: str,
        position: Position,
        clock: Callable[[], float],
    ) -> None:
        self.receiver = receiver
        self._place = place
        self._rules = rules
        self.kind = kind
        self._name = f"{place.recipe} {kind}"
        self._clock = clock
        self._position = self._saved = position
        self._saved_s = clock()
        self._failures = 0
        self._retry_s = float("-inf")
        self._refusing = self._unwritable = False
        self._told = self._stopping = False

    @property
    def floor(self) -> str:
        """The first day that counts, as ISO date."""
        return self._position.floor

    def stop(self) -> None:
        """End a run after the notice at hand."""
        self._stopping = True

    def run(self, days: Sequence[Day], today: date) -> Sent:
        """Tell the receiver of everything that is due, until it fails."""
        if self._clock() < self._retry_s:
            return Sent(waiting=1)
        yesterday = (today - timedelta(1)).isoformat()
        # Never less than since yesterday: the floor may come from a clock that ran ahead.
        days = [day for day in days if day.day >= min(self.floor, yesterday)]
        done: list[Sent] = []
        try:
            self.receiver.ready()
            for job_id, chunk in ledger.due(days, self._position):
                self._tell_chunk(job_id, chunk, done)
                if self._stopping:
                    break
            self._answers()
        except RetryError as error:
            done.append(Sent(waiting=1, failed=1))
            self._wait(error)
        self._position = self._position.without_past(days, yesterday)
        self.save(0 if self._told else CALM_SAVE_S)
        return sum(done, Sent())

    def _tell_chunk(self, job_id: str, chunk: int, done: list[Sent]) -> None:
        """Tell of one chunk what has not arrived yet. Raises RetryError."""
        events, cooled = self._events(job_id, chunk)
        arrived = self._position.sent_of(job_id, chunk)
        for event in events:
            if event.id in arrived:
                continue
            if self._stopping:
                return
            done.append(self._tell(event))
            self._position = self._position.with_sent(job_id, chunk, event.id)
            self._told = True
            self.save(SAVE_S)
        self._position = self._position.with_chunk(job_id, chunk, cooled)

    def _events(self, job_id: str, chunk: int) -> tuple[list[Event], Mapping[str, float]]:
        path = self._place.jobs.chunk_file(job_id, chunk)
        try:
            lines = [parsed(line) for line in chunk_lines(path)]
            with storage_errors(path):
                at = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
            source = Source(self._place.recipe, job_id, chunk, at)
            return events_of(self._rules, lines, source, self._position.cooled)
        except RejectError as error:  # somebody wrote into it: the next ones must not wait for ever
            self._warn("cannot read results for notices", "notice_unreadable", error)
            return [], self._position.cooled

    def _tell(self, event: Event) -> Sent:
        """Tell of one event. Raises RetryError where the receiver cannot hear now."""
        rule = next(rule for rule in self._rules if rule.name == event.rule)
        picture = attached(rule, event, self._place.roots)
        try:
            self.receiver.tell(Notice(event, rule, link(rule, event.item), picture))
        except RejectError as error:
            if not self._refusing:
                self._warn("notices are refused, going on without them", "notice_refused", error)
            self._refusing = True
            return Sent(refused=1)
        self._answers()
        self._refusing = False
        fields = {"action": "notice_sent", "id": event.id, "rule": event.rule, "item": event.item}
        log.info("notice sent", extra=fields | {"receiver": self._name})
        return Sent(sent=1)

    def _answers(self) -> None:
        if self._failures:
            fields = {"action": "notice_goes_on", "receiver": self._name}
            log.info("notices go out again", extra=fields)
        self._failures = 0

    def _wait(self, error: RetryError) -> None:
        if not self._failures:
            self._warn("notices have to wait, trying on", "notice_waits", error)
        self._retry_s = self._clock() + min(LONGEST_WAIT_S, 2.0 ** min(self._failures, 10))
        self._failures += 1

    def save(self, wait_s: float = 0) -> None:
        """Write the ledger if it has changed, and no sooner than `wait_s` after the last time."""
        if self._position == self._saved or self._clock() - self._saved_s < wait_s:
            return
        self._saved_s = self._clock()
        try:
            ledger.write(self._place.ledger, self._position)
        except RetryError as error:  # notices go on; the ledger follows when the disk is back
            if not self._unwritable:
                self._warn("cannot write down which notices went out", "notice_ledger", error)
            self._unwritable = True
        else:
            self._saved, self._told, self._unwritable = self._position, False, False

    def _warn(self, sentence: str, action: str, error: FarmError) -> None:
        fields = {"action": action, "receiver": self._name, "reason": str(error)}
        log.warning(sentence, extra=fields)
