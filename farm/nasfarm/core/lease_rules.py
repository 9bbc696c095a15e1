"""The life of one chunk's lease, as rules: state and event to the next state. Pure.

The scripts in broker/lua do the same inside Redis; a test runs both on random histories.

                    claim: attempt + 1, new fence
        ┌──────┐ ───────────────────────────────▶ ┌────────┐ ──┐ renew, fly:
        │ open │                                  │ leased │   │ until = now + lease
        └──────┘ ◀─────────────────────────────── └────────┘ ◀─┘
            │     give_back · lost (blames) · time up  │
            │                                          │ done
            │ claim, after MOST_ATTEMPTS without       ▼
            ▼ an image ever in flight              ┌──────┐
        ┌──────┐                                   │ done │
        │ dead │                                   └──────┘
        └──────┘

Attempts 1 and 2 run the chunk as it is. From the third on a worker is careful: one image at a
time, and the one it works on is `in_flight`. Only then can an image be blamed for what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

CAREFUL_FROM = 3
"""The first attempt that goes image by image."""

BLAMES = 2
"""So many blames condemn an image: it gets its error line and is not run again."""

MOST_ATTEMPTS = 10
"""From this attempt on a kill of unknown cause counts against the image most often in flight."""


class Cause(StrEnum):
    """How a worker ended that held a lease."""

    DIED = "crashed"  # of a signal of its own (SIGSEGV, SIGABRT, …), or the kernel's OOM kill
    TIMEOUT = "timeout"  # one image took longer than image_timeout_s
    KILLED = "killed"  # SIGKILL from outside, a power cut, or nobody knows


@dataclass(frozen=True, slots=True)
class Held:
    """A chunk's entry. `until_ms` on Redis' clock; 0: given back. Maps: item number → how often.

    in_flight: the item a careful worker works on; None before its model is open.
    said: item number → what was seen when it was last blamed.
    """

    attempt: int
    fence: str
    until_ms: int
    node: str
    boot: str
    worker: str
    in_flight: int | None = None
    crashed: Mapping[str, int] = field(default_factory=dict)
    timeout: Mapping[str, int] = field(default_factory=dict)
    killed: Mapping[str, int] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


def is_leased(held: Held | None, now_ms: int) -> bool:
    return held is not None and held.until_ms > now_ms


def settled(held: Held | None, now_ms: int) -> Held | None:
    """A lease whose time ran out says nothing of its worker's end: as if it was killed."""
    if held is None or not held.until_ms or held.until_ms > now_ms:
        return held
    return lost(held, held.fence, Cause.KILLED, "")


def is_dead(held: Held | None) -> bool:
    """Of a settled entry: workers die with this chunk before they reach an image."""
    if held is None or held.attempt < MOST_ATTEMPTS:
        return False
    return not (held.crashed or held.timeout or held.killed)


def claimed(
    held: Held | None, now_ms: int, lease_ms: int, fence: str, node: str, boot: str, worker: str
) -> Held:
    """The entry after a claim; `held` is settled, not leased and not dead."""
    before = held or Held(0, "", 0, "", "", "")
    return replace(
        before,
        attempt=before.attempt + 1,
        fence=fence,
        until_ms=now_ms + lease_ms,
        node=node,
        boot=boot,
        worker=worker,
        in_flight=None,
    )


def renewed(
    held: Held, fence: str, now_ms: int, lease_ms: int, in_flight: int | None
) -> Held | None:
    """The entry after a renewal; None: the lease is lost. `in_flight` None leaves it as it is."""
    if held.fence != fence or not held.until_ms:
        return None
    flying = held.in_flight if in_flight is None else in_flight
    return replace(held, until_ms=now_ms + lease_ms, in_flight=flying)


def given_back(held: Held, fence: str) -> Held:
    """The entry after a worker returned its lease unspent; unchanged where it is another's."""
    if held.fence != fence or not held.until_ms:
        return held
    return replace(held, attempt=held.attempt - 1, until_ms=0, in_flight=None)


def lost(held: Held, fence: str, cause: Cause, said: str) -> Held:
    """The entry after its worker's end, by whoever saw it; unchanged where it is another's."""
    if held.fence != fence or not held.until_ms:
        return held
    item = held.in_flight
    after = replace(held, until_ms=0)
    if item is None:
        return after
    key = str(item)
    words = {**held.said, key: said} if said else held.said
    if cause is Cause.DIED:
        return replace(after, crashed=_one_more(held.crashed, key), said=words)
    if cause is Cause.TIMEOUT:
        return replace(after, timeout=_one_more(held.timeout, key), said=words)
    killed = _one_more(held.killed, key)
    if held.attempt < MOST_ATTEMPTS:
        return replace(after, killed=killed)
    # Nobody knows why workers end, and it does not stop: the likeliest image goes.
    likeliest = min(killed, key=lambda one: (-killed[one], int(one)))
    rest = {one: count for one, count in killed.items() if one != likeliest}
    return replace(after, killed=rest, crashed={**held.crashed, likeliest: BLAMES})


def condemned(held: Held) -> dict[int, str]:
    """Items that get their error line unrun → its code, `crashed` or `timeout`."""
    items = {*held.crashed, *held.timeout}
    return {
        int(item): "crashed"
        if held.crashed.get(item, 0) >= held.timeout.get(item, 0)
        else "timeout"
        for item in sorted(items, key=int)
        if held.crashed.get(item, 0) + held.timeout.get(item, 0) >= BLAMES
    }


def _one_more(counts: Mapping[str, int], key: str) -> dict[str, int]:
    return {**counts, key: counts.get(key, 0) + 1}
