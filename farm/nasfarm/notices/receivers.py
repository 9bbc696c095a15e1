"""What a receiver of notices is given, and what it must be able to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nasfarm.core.notice_events import Event
from nasfarm.core.notices import NoticeRule

TIMEOUT_S = 5.0
"""A receiver that has not answered after this has failed."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A file as it was dropped: its name, MIME type and bytes."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Notice:
    """One event for one receiver. url: where the picture can be seen; empty where nobody said."""

    event: Event
    rule: NoticeRule
    url: str = ""
    picture: Picture | None = None


class Receiver(Protocol):
    """Somebody who is told. Errors: RetryError where he may hear later, RejectError where never."""

    def ready(self) -> None:
        """Be connected, if that is needed. Raises RetryError, RejectError."""

    def tell(self, notice: Notice) -> None:
        """Return once the notice has arrived. Raises RetryError, RejectError."""

    def close(self) -> None:
        """Say goodbye, within seconds."""
