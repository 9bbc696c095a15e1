"""Nodes, their slots and what holds them back, as they report themselves. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ByHand = Literal["pause", "drain"]
"""Why a node takes no work where somebody said so. pause: what runs is handed back at once; drain:
it is finished first."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason why a node takes no work.

    reason: pause | drain | storage (the home cannot be written); a newer release may have more.
    since_s: in seconds since 1970, by the clock of whoever began it. text: for people.
    """

    reason: str
    since_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A group of CPU cores and the worker process pinned to them (pid 0: not running)."""

    number: int
    cores: tuple[int, ...]
    pid: int = 0
    state: str = "starting"  # starting | ready | restarting | stopped
    error: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of one of a node's folders: `home` or `state`."""

    name: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class NodeReport:
    """A node's heartbeat.

    roots: names it can read now, whether or not it takes work. boot: this life of its agent.
    held: what keeps it from taking work. paused: the same in a sentence; empty: it takes work.
    placement: why its slots have the cores they have.
    node_id: of its state folder; empty from a release that had none.
    vnni: whether its processor adds products of small numbers in 32 bits.
    temperature_c: the highest of those the box tells; None where it tells none.
    slots: those in use. usual: how many its settings say. most: how many there are with its spare
    cores. Both are 0 from a release that always uses all.
    """

    node: str
    boot: str
    version: str
    pid: int
    roots: tuple[str, ...]
    away: tuple[str, ...]
    slots: tuple[Slot, ...]
    paused: str = ""
    placement: str = ""
    node_id: str = ""
    vnni: bool = False
    age_s: float = 0.0
    held: tuple[Hold, ...] = ()
    disks: tuple[Disk, ...] = ()
    temperature_c: float | None = None
    usual: int = 0
    most: int = 0

    @property
    def lent(self) -> int:
        """How many slots it has for work that waits, whether or not all are in use now."""
        return max(self.usual, len(self.slots))

    @property
    def use(self) -> str:
        """A sentence where more or fewer slots are in use than usual; else empty."""
        now = len(self.slots)
        if now < self.usual:
            return f"{now} of its {self.usual} slots in use: enough to finish in time (--finish-by)"
        if self.usual and now > self.usual:
            return (
                f"{now - self.usual} more in use, on spare cores, to finish in time (--finish-by)"
            )
        return ""

    def held_by(self, *reasons: str) -> bool:
        """Whether one of these is among what holds it."""
        return any(hold.reason in reasons for hold in self.held)


def sentence(held: tuple[Hold, ...]) -> str:
    """All that holds a node, as `NodeReport.paused`."""
    return " ".join(hold.text for hold in held)
