"""Children by name to processes that are kept running, until a signal or a call stops them all."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from nasfarm.nodes.backoff import Backoff
from nasfarm.nodes.process import spawn

log = logging.getLogger(__name__)

TAIL_BYTES = 8192
ENDING_S = 0.02
"""Between two looks on the way down: each of several supervisors waits for the one below."""
TAIL_LINES = 5


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running.

    env: added to the supervisor's own. death_signal: what the kernel sends the child when the
    supervisor dies. grace_s: from SIGTERM to SIGKILL when it is stopped. rank: on the way down the
    highest rank goes first and a lower one waits until it is gone; equal ranks go together.
    """

    name: str
    argv: tuple[str, ...]
    log_path: Path
    env: Mapping[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    death_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 10.0
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended. `str()` of it is the line to show a user.

    code: exit status, or -N for signal N. last_lines: of its log, from this life only.
    retry_s: seconds until its next start; None where it was asked to stop.
    """

    name: str
    pid: int
    code: int
    ran_s: float
    log_path: Path
    last_lines: tuple[str, ...]
    retry_s: float | None

    @property
    def how(self) -> str:
        if self.code >= 0:
            return f"ended with exit status {self.code}"
        try:
            return f"was ended by {signal.Signals(-self.code).name}"
        except ValueError:  # a real-time signal has no name
            return f"was ended by signal {-self.code}"

    def __str__(self) -> str:
        when = "asked to stop" if self.retry_s is None else f"next start in {self.retry_s:g} s"
        head = f"{self.name} (process {self.pid}) {self.how} after {self.ran_s:.1f} s; {when}."
        if not self.last_lines:
            return f"{head} It wrote nothing to {self.log_path}."
        return "\n    ".join([f"{head} Last lines of {self.log_path}:", *self.last_lines])


@dataclass(slots=True)
class _Kept:
    """What the supervisor knows of one child. Times are of the monotonic clock, in seconds."""

    child: Child
    process: subprocess.Popen[bytes] | None = None
    backoff: Backoff = field(default_factory=Backoff)
    started_at: float = 0.0
    start_at: float = 0.0
    log_start: int = 0
    kill_at: float | None = None

    @property
    def stopping(self) -> bool:
        return self.kill_at is not None


def _nothing(*_: object) -> None:
    pass


class Supervisor:
    """Keeps children running in one loop, in the thread that calls `run`.

    on_exit: called at once with each child that ended, also one that was asked to, and before its
    next start. tick: called about each `interval_s`. `add`, `remove`, `names` and `pids` are for
    these two, in the same thread; `request_stop` may be called from anywhere, also from a signal
    handler.
    """

    def __init__(
        self,
        children: Iterable[Child],
        *,
        on_exit: Callable[[Child, Exit], None] = _nothing,
        tick: Callable[[], None] = _nothing,
        interval_s: float = 0.2,
    ) -> None:
        self._kept = {child.name: _Kept(child) for child in children}
        self._on_exit = on_exit
        self._tick = tick
        self._interval_s = interval_s
        # A plain number, not an Event: setting an Event inside a signal handler can deadlock.
        self._stops = 0

    def add(self, child: Child) -> None:
        """Keep `child` running from the next turn of the loop on; on the way down nothing is added.

        Raises ValueError where one of that name is there.
        """
        if self._stops:
            return
        if child.name in self._kept:
            raise ValueError(f"a child called '{child.name}' is there already: remove it first")
        self._kept[child.name] = _Kept(child)

    def remove(self, name: str) -> None:
        """Ask the child to end, and forget it when it has; an unknown name is no error."""
        kept = self._kept.get(name)
        if kept is None:
            return
        if kept.process is None:
            del self._kept[name]
        elif not kept.stopping:
            self._ask_to_end(kept)

    def names(self) -> set[str]:
        """Of the children that are kept, and of those that have not ended yet."""
        return set(self._kept)

    def pids(self) -> dict[str, int]:
        """Name → process id of the children that run now."""
        kept_now = list(self._kept.items())
        return {name: process.pid for name, kept in kept_now if (process := kept.process)}

    def request_stop(self) -> None:
        """Stop everything in order; the second call kills what is left at once."""
        self._stops += 1

    def run(self, *, on_signals: bool = True) -> None:
        """Start the children and keep them until a stop; on return none of them is left.

        on_signals: SIGTERM and SIGINT are a `request_stop`; needs the main thread. Otherwise the
        calling thread must live as long as the children (see `spawn`).
        Raises OSError where a child's log cannot be opened, and what a callback raises.
        """
        try:
            with self._signals(on_signals):
                while not self._stops:
                    self._turn()
                while self._kept and self._stops < 2:
                    self._end_highest_rank()
                    self._turn()
        finally:
            self._kill_all()

    @contextmanager
    def _signals(self, wanted: bool) -> Iterator[None]:
        def asked(_number: int, _frame: FrameType | None) -> None:
            self.request_stop()

        numbers = (signal.SIGTERM, signal.SIGINT) if wanted else ()
        before = [(number, signal.signal(number, asked)) for number in numbers]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _turn(self) -> None:
        for kept in list(self._kept.values()):
            self._look_after(kept, time.monotonic())
        self._tick()
        time.sleep(min(self._interval_s, ENDING_S) if self._stops else self._interval_s)

    def _look_after(self, kept: _Kept, now: float) -> None:
        """Reap, start or kill one child, as is due."""
        if kept.process is None:
            if not self._stops and now >= kept.start_at:
                self._start(kept)
        elif (code := kept.process.poll()) is not None:
            self._reap(kept, code, now)
        elif kept.kill_at is not None and now >= kept.kill_at:
            log.warning(
                "child outlived its grace", extra={"action": "child_kill", "child": kept.child.name}
            )
            kept.process.kill()

    def _start(self, kept: _Kept) -> None:
        child = kept.child
        kept.log_start = child.log_path.stat().st_size if child.log_path.exists() else 0
        kept.started_at = time.monotonic()
        kept.process = spawn(
            child.argv,
            child.log_path,
            env=child.env,
            pass_fds=child.pass_fds,
            death_signal=child.death_signal,
        )
        log.info(
            "child started",
            extra={"action": "child_start", "child": child.name, "pid": kept.process.pid},
        )

    def _reap(self, kept: _Kept, code: int, now: float) -> None:
        """Note that a child ended, say so, and start it again where no delay is due.

        The callback comes first: it may mend what the next start needs.
        """
        assert kept.process is not None
        ran_s = now - kept.started_at
        wanted = kept.stopping or self._stops > 0
        kept.backoff = kept.backoff.after(ran_s)
        ended = Exit(
            name=kept.child.name,
            pid=kept.process.pid,
            code=code,
            ran_s=ran_s,
            log_path=kept.child.log_path,
            last_lines=_tail(kept.child.log_path, kept.log_start),
            retry_s=None if wanted else kept.backoff.delay_s,
        )
        kept.process = None
        kept.start_at = now + kept.backoff.delay_s
        if wanted:
            del self._kept[kept.child.name]
        _report(ended)
        self._on_exit(kept.child, ended)
        if self._kept.get(kept.child.name) is kept:
            self._look_after(kept, time.monotonic())

    def _ask_to_end(self, kept: _Kept) -> None:
        assert kept.process is not None
        kept.kill_at = time.monotonic() + kept.child.grace_s
        kept.process.terminate()

    def _end_highest_rank(self) -> None:
        """On the way down: ask the running children of the highest rank to end, newest first."""
        for name in [name for name, kept in self._kept.items() if kept.process is None]:
            del self._kept[name]
        highest = max((kept.child.rank for kept in self._kept.values()), default=0)
        for kept in reversed(self._kept.values()):
            if kept.child.rank == highest and not kept.stopping:
                self._ask_to_end(kept)

    def _kill_all(self) -> None:
        running = [kept.process for kept in self._kept.values() if kept.process]
        for process in running:
            process.kill()
        for process in running:
            process.wait()
        self._kept.clear()


def _report(ended: Exit) -> None:
    level = logging.INFO if ended.retry_s is None else logging.WARNING
    log.log(
        level,
        "child ended",
        extra={
            "action": "child_exit",
            "child": ended.name,
            "pid": ended.pid,
            "how": ended.how,
            "ran_s": round(ended.ran_s, 1),
            "retry_s": ended.retry_s,
            "last_lines": ended.last_lines,
        },
    )


def _tail(path: Path, start: int) -> tuple[str, ...]:
    """The last lines of a log, none from before byte `start`; a rotated log begins anew."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(start if start <= size else 0, size - TAIL_BYTES))
            text = file.read(TAIL_BYTES).decode(errors="replace")
    except OSError:
        return ()  # a log that cannot be read must not stop the restart
    return tuple(line for line in text.splitlines() if line.strip())[-TAIL_LINES:]
