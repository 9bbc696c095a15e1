"""A lease that lives as long as its work moves on: renewed beside it, ended with it.

Every step of the work has a time within which it must end, kept by the kernel's alarm clock: it
ends this process even in native code that never returns. So renewing from a second thread keeps no
dead work alive, and a step that is merely longer than a lease does not lose it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nasfarm.broker.client import Broker
from nasfarm.core.leases import Lease
from nasfarm.errors import BrokerError, LeaseLostError, StoppingError


@dataclass(slots=True)
class Progress:
    """What a chunk's work reports to, step by step.

    image_timeout_s: a step may take so long for each image in it.
    must_stop: whether this process has to hand back what it cannot finish in time.
    """

    lease: Lease
    broker: Broker
    image_timeout_s: float
    must_stop: Callable[[], bool]
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

    def fly(self, item: int | None) -> None:
        """A careful worker begins this item: what happens now is the item's. Raises as `step`.

        None: several items begin together, and none of them can be blamed.
        """
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
        """Renew until the work is over, three times in a lease's length."""
        while not self._over.wait(self.broker.lease_s / 3):
            try:
                self._renew()
            except LeaseLostError:
                return
            except BrokerError:  # away: the lease may run out, then the next step hears of it
                continue

    def end(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._over.set()


@contextmanager
def progress(
    lease: Lease, broker: Broker, image_timeout_s: float, must_stop: Callable[[], bool]
) -> Iterator[Progress]:
    """Keep a lease alive while the block works on its chunk."""
    beat = Progress(lease, broker, image_timeout_s, must_stop)
    thread = threading.Thread(target=beat.keep_alive, daemon=True, name="renew")
    thread.start()
    try:
        yield beat
    finally:
        beat.end()
        thread.join()
