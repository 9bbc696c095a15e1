"""A lease that lives as long as its work moves on: renewed beside it, ended with it.

Every step of the work has a time within which it must end, kept by the kernel's alarm clock: it
ends this process even in native code that never returns. So renewing from a second thread keeps no
dead work alive, and a step that is merely longer than a lease does not lose it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from nasfarm.broker.client import Broker
from nasfarm.core.leases import Lease
from nasfarm.core.models import PinnedModel
from nasfarm.errors import BrokerError, LeaseLostError, StoppingError
from nasfarm_workers.clock import Clock

T = TypeVar("T")

TELL_S = 1.0
"""How far the work is, is told at most so often."""

Tell = Callable[[Lease, int, int], None]
"""Lease, images looked at, images in all: to whoever follows. Raises BrokerError."""


def to_nobody(_lease: Lease, _done: int, _images: int) -> None:
    """Where nobody follows."""


@dataclass(slots=True)
class Progress:
    """What a chunk's work reports to, step by step.

    image_timeout_s: a step may take so long for each image in it.
    must_stop: whether this process has to hand back what it cannot finish in time.
    clock: what the steps took. batches: model → how many views each run of it was of.
    tell: say how far it is. images: so many there are in all; the work on one is to read it and to
    run each stage, `parts` together. _read: of those that are run together. _done: images' worth.
    """

    lease: Lease
    broker: Broker
    image_timeout_s: float
    must_stop: Callable[[], bool]
    tell: Tell = to_nobody
    clock: Clock = field(default_factory=Clock)
    batches: dict[str, list[int]] = field(default_factory=dict)
    images: int = 0
    parts: int = 1
    _read: int = 0
    _done: float = 0.0
    _lost: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    def step(self, images: int = 1) -> None:
        """The work has come this far; the next step is on so many images.

        Raises LeaseLostError: publish nothing. StoppingError: hand the chunk back.
        """
        if self._lost.is_set():
            raise LeaseLostError(f"{self.lease.job_id}: chunk {self.lease.chunk} is another's now")
        if self.must_stop():
            raise StoppingError("this worker has been asked to stop")
        signal.setitimer(signal.ITIMER_REAL, self.image_timeout_s * max(1, images))

    def has_read(self) -> None:
        """One more image is read."""
        self._read += 1
        self._done += 1 / self.parts

    def preparing(self, batches: Iterable[T]) -> Iterator[T]:
        """The batches as they are; that they are made is timed as `preprocess`."""
        return self.clock.each("preprocess", batches)

    @contextmanager
    def running(self, model: PinnedModel, views: int, of: int) -> Iterator[None]:
        """The block is one run of a model, on so many views `of` its stage's. Raises as `step`."""
        self.step(views)
        self.batches.setdefault(str(model), []).append(views)
        with self.clock.on("session"):
            yield
        self._done += self._read * views / of / self.parts

    def fly(self, item: int | None) -> None:
        """A careful worker begins this item: what happens now is the item's. Raises as `step`.

        None: several items begin together, and none of them can be blamed.
        """
        self._read = 0
        self.step()
        if item is not None:
            self._renew(item)

    def confirm(self) -> None:
        """Ask the broker itself whether the lease is ours, before its result is published."""
        self._renew()

    def _renew(self, in_flight: int | None = None) -> None:
        if not self.broker.leases.renew(self.lease, in_flight):
            self._lost.set()
            raise LeaseLostError(f"{self.lease.job_id}: chunk {self.lease.chunk} is another's now")

    def keep_alive(self) -> None:
        """Renew three times in a lease's length, and tell how far it is, until the work is over."""
        every_s, told, answers = self.broker.lease_s / 3, 0, True
        renew_at = time.monotonic() + every_s
        while not self._over.wait(min(TELL_S, every_s)):
            try:
                if time.monotonic() >= renew_at:
                    renew_at = time.monotonic() + every_s
                    self._renew()
                    answers = True
                if answers:
                    told = self._tell(told)
            except LeaseLostError:
                return
            except BrokerError:  # away: the lease may run out, then the next step hears of it
                answers = False  # to tell would take 6 s then, and the lease would wait for it

    def _tell(self, told: int) -> int:
        """Say how far it is, where that is news; returns what was said last."""
        done = min(self.images, round(self._done))
        if done > told:
            self.tell(self.lease, done, self.images)
        return max(done, told)

    def end(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._over.set()


@contextmanager
def progress(
    lease: Lease,
    broker: Broker,
    image_timeout_s: float,
    must_stop: Callable[[], bool],
    tell: Tell = to_nobody,
) -> Iterator[Progress]:
    """Keep a lease alive while the block works on its chunk."""
    beat = Progress(lease, broker, image_timeout_s, must_stop, tell)
    thread = threading.Thread(target=beat.keep_alive, daemon=True, name="renew")
    thread.start()
    try:
        yield beat
    finally:
        beat.end()
        thread.join()
