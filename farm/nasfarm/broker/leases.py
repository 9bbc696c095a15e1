"""Live jobs and leases in Redis: who may run which chunk, on Redis' clock.

For a live job `farm:job:<id>` holds its counts, `farm:done:<id>` a bit a finished chunk,
`farm:leases:<id>` a lease a chunk; `farm:live` names the live jobs. All of it can be lost:
the reconciler writes it anew from storage.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

import redis

from nasfarm.broker.connection import broker_errors
from nasfarm.broker.rates import RATES, Timed, rates_of, weight
from nasfarm.core import wire
from nasfarm.core.jobs import Pace
from nasfarm.core.lease_rules import Cause, Held, is_leased
from nasfarm.core.leases import Finished, Lease, Refusal

_LIVE = "farm:live"

REFRESH_S = 60
"""A rolling job's results are written again at most so often: they hold a whole day."""

Role = Literal["reconciler", "watcher"]


def _job(job_id: str) -> str:
    return f"farm:job:{job_id}"


def _done(job_id: str) -> str:
    return f"farm:done:{job_id}"


def _leases(job_id: str) -> str:
    return f"farm:leases:{job_id}"


def _refresh(job_id: str) -> str:
    return f"farm:refresh:{job_id}"


def _held(text: str) -> Held:
    return wire.decode(Held, text.encode(), "a lease in Redis")


def _running(job_id: str, raw: Mapping[Any, Any], now_ms: int) -> list[Lease]:
    leases = (Lease(job_id, int(chunk), _held(str(text))) for chunk, text in raw.items())
    return [lease for lease in leases if is_leased(lease.held, now_ms)]


@dataclass(frozen=True, slots=True)
class Counts:
    """What Redis counted of a live job.

    worked: lines written since it became live, in so many `seconds` from the first claim on.
    timed: good images that slots took `slot_s` seconds for, taken together.
    """

    ok: int
    errors: int
    chunks_done: int
    started: bool
    worked: int
    seconds: float
    timed: int = 0
    slot_s: float = 0.0

    @property
    def images_per_s(self) -> float | None:
        return round(self.worked / self.seconds, 2) if self.worked and self.seconds > 0 else None


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A live job: whether a worker has begun it, how many items have no line yet, its deadline."""

    job_id: str
    started: bool
    waiting: int
    by_s: float | None


class Leases:
    """Claims, renewals and returns of chunks, and the index of live jobs. Raises BrokerError."""

    def __init__(self, client: redis.Redis, lease_s: float) -> None:
        self._client = client
        self._lease_ms = int(lease_s * 1000)

    # -- the life of a lease -----------------------------------------------------------------

    def claim(self, job_id: str, chunk: int, node: str, boot: str, worker: str) -> Lease | Refusal:
        """Take the right to run a chunk, or hear why not."""
        keys = [_job(job_id), _done(job_id), _leases(job_id)]
        random = uuid.uuid4().hex[:8]
        answer = self._run("claim", keys, chunk, self._lease_ms, random, node, boot, worker)
        if answer[0] != "granted":
            return Refusal(answer[0])
        return Lease(job_id, chunk, _held(answer[1]))

    def renew(self, lease: Lease, in_flight: int | None = None) -> bool:
        """Prolong a lease from now; False: it is lost, stop working and publish nothing.

        in_flight: the item a careful worker begins now.
        """
        keys = [_job(lease.job_id), _leases(lease.job_id)]
        item = "" if in_flight is None else in_flight
        fence = lease.held.fence
        return bool(self._run("renew", keys, lease.chunk, fence, self._lease_ms, item))

    def give_back(self, lease: Lease) -> bool:
        """Return a lease unspent, so that the next claim need not wait."""
        return bool(self._run("give_back", [_leases(lease.job_id)], lease.chunk, lease.held.fence))

    def lost(self, lease: Lease, cause: Cause, said: str = "") -> bool:
        """A lease's worker has ended; `said`: what was seen of it. The attempt counts."""
        keys = [_leases(lease.job_id)]
        return bool(self._run("lost", keys, lease.chunk, lease.held.fence, cause, said))

    def done(
        self, job_id: str, chunk: int, root: str, ok: int, errors: int, *,
        worked: bool, timed: Timed | None = None, again: bool = False,
    ) -> Finished:  # fmt: skip
        """Record a published chunk. Harmless to repeat.

        worked: a worker has just run it; else it was found on storage. timed: how fast it went.
        again: it is a retry's, whose items have counted as errors until now.
        """
        keys = [_job(job_id), _done(job_id), _leases(job_id), RATES]
        pace: tuple[str | float, ...] = ("", 0, 0, 0, 0)
        if timed is not None:
            keys.append(rates_of(timed.node))
            rate = (timed.per_s, weight(timed.seconds))
            pace = (timed.work, *rate, timed.images, timed.seconds)
        first, next_chunk, left = self._run(
            "done", keys, chunk, root, ok, errors, int(worked), int(again), *pace
        )
        return Finished(bool(first), int(next_chunk) if next_chunk >= 0 else None, int(left))

    def held(self, job_id: str) -> list[Lease]:
        """The leases of a job that have not run out."""
        with broker_errors():
            now_ms = self._now_ms()
            raw = self._client.hgetall(_leases(job_id))
        return _running(job_id, raw, now_ms)

    def all_held(self) -> list[Lease]:
        """The leases of all live jobs that have not run out: what the whole farm works on now."""
        jobs = sorted(self.live())
        with broker_errors(), self._client.pipeline(transaction=False) as pipe:
            for job_id in jobs:
                pipe.hgetall(_leases(job_id))
            found = pipe.execute()
            now_ms = self._now_ms()
        return [
            lease for job_id, raw in zip(jobs, found, strict=True)
            for lease in _running(job_id, raw, now_ms)
        ]  # fmt: skip

    # -- live jobs ---------------------------------------------------------------------------

    def register(
        self, job_id: str, chunks: int, items: int | None = None, by_s: float | None = None
    ) -> None:
        """Make a job live, or tell a live one that it has more chunks now.

        items: how many it has, for whoever counts what waits; None: as many as were told before.
        by_s: its deadline, likewise.
        """
        with broker_errors(), self._client.pipeline() as pipe:
            pipe.hset(_job(job_id), "chunks", chunks)
            if items is not None:
                pipe.hset(_job(job_id), "items", items)
            if by_s is not None:
                pipe.hset(_job(job_id), "by_s", by_s)
            pipe.sadd(_LIVE, job_id)
            pipe.execute()

    def move_cursor(self, job_id: str, root: str, chunk: int, stop: int) -> None:
        """From here on each chunk that is done lets the next one of its root be hinted.

        `chunk` is the first that was not hinted yet; `stop` the end of the run it belongs to.
        """
        with broker_errors():
            self._client.hset(_job(job_id), mapping={f"next:{root}": chunk, f"stop:{root}": stop})

    def live(self) -> set[str]:
        with broker_errors():
            return {str(name) for name in self._client.smembers(_LIVE)}

    def all_live(self) -> list[LiveJob]:
        """Every live job, in two round trips however many there are."""
        names = sorted(self.live())
        with broker_errors(), self._client.pipeline(transaction=False) as pipe:
            for job_id in names:
                pipe.hmget(_job(job_id), ["chunks", "started_ms", "items", "ok", "errors", "by_s"])
            found = pipe.execute()
        jobs = []
        for job_id, (chunks, *counts, by_s) in zip(names, found, strict=True):
            if chunks is not None:
                started, items, ok, errors = (int(text or 0) for text in counts)
                waiting = max(0, items - ok - errors)
                jobs.append(LiveJob(job_id, bool(started), waiting, float(by_s) if by_s else None))
        return jobs

    def forget(self, job_id: str) -> None:
        """The job has ended: every claim of it is refused from now on."""
        with broker_errors(), self._client.pipeline() as pipe:
            pipe.delete(_job(job_id), _done(job_id), _leases(job_id))
            pipe.srem(_LIVE, job_id)
            pipe.execute()

    def marked(self, job_id: str) -> set[int]:
        """Numbers of the chunks that are done as far as Redis knows."""
        with broker_errors():
            # Bytes, from a client that takes all else as text.
            get: Any = self._client.execute_command
            bits: bytes = get("GET", _done(job_id), NEVER_DECODE=True) or b""
        return {
            8 * at + bit for at, byte in enumerate(bits) if byte for bit in range(8)
            if byte & 0x80 >> bit
        }  # fmt: skip

    def unmark_all(self, job_id: str) -> None:
        """Storage has lost what was done: count anew, from what it has. Leases stay."""
        with broker_errors(), self._client.pipeline() as pipe:
            pipe.delete(_done(job_id))
            pipe.hdel(_job(job_id), "ok", "errors")
            pipe.execute()

    def counts(self, job_id: str) -> Counts | None:
        """What is known of a live job; None where it is not live."""
        with broker_errors():
            raw = self._client.hgetall(_job(job_id))
            if not raw:
                return None
            done = int(self._client.bitcount(_done(job_id)))
        ok, errors = int(raw.get("ok", 0)), int(raw.get("errors", 0))
        started_ms = int(raw.get("started_ms", 0))
        seconds = max(0, int(raw.get("worked_ms", 0)) - started_ms) / 1000
        worked = int(raw.get("worked", 0))
        timed, slot_s = int(raw.get("timed", 0)), float(raw.get("slot_s", 0))
        return Counts(ok, errors, done, bool(started_ms), worked, seconds, timed, slot_s)

    def pace(self, job_id: str) -> Pace:
        """How fast a live job goes."""
        counts = self.counts(job_id)
        if counts is None:
            return Pace(None)
        per_slot_s = round(counts.timed / counts.slot_s, 2) if counts.slot_s else None
        return Pace(counts.images_per_s, per_slot_s)

    # -- what one of many does ---------------------------------------------------------------

    def begin_refresh(self, job_id: str) -> bool:
        """Be the one that writes a rolling job's results; False for a while after anybody has."""
        with broker_errors():
            return bool(self._client.set(_refresh(job_id), "1", nx=True, ex=REFRESH_S))

    def refreshed_lately(self, job_id: str) -> bool:
        with broker_errors():
            return bool(self._client.exists(_refresh(job_id)))

    def lead(self, boot: str, for_s: float, role: Role = "reconciler") -> bool:
        """Be the one that has the role for `for_s` seconds; False where another process has."""
        key = f"farm:{role}"
        with broker_errors():
            if self._client.set(key, boot, nx=True, px=int(for_s * 1000)):
                return True
            if self._client.get(key) != boot:
                return False
            return bool(self._client.pexpire(key, int(for_s * 1000)))

    def resign(self, boot: str, role: Role) -> None:
        """Leave the role to others at once, where this process has it."""
        with broker_errors():
            if self._client.get(f"farm:{role}") == boot:
                self._client.delete(f"farm:{role}")

    def is_led(self, role: Role) -> bool:
        """Whether somebody has the role now."""
        with broker_errors():
            return bool(self._client.exists(f"farm:{role}"))

    def _now_ms(self) -> int:
        seconds, micros = self._client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def _run(self, script: str, keys: list[str], *arguments: str | float) -> Any:
        folder = files("nasfarm.broker").joinpath("lua")
        source = "".join(folder.joinpath(f"{name}.lua").read_text() for name in ("rules", script))
        with broker_errors():
            return self._client.register_script(source)(keys=keys, args=arguments)
