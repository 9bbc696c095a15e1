"""Nodes and their slots as they report themselves. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """A group of CPU cores and the worker process pinned to them (pid 0: not running)."""

    number: int
    cores: tuple[int, ...]
    pid: int = 0
    state: str = "starting"  # starting | ready | restarting | stopped
    error: str = ""


@dataclass(frozen=True, slots=True)
class NodeReport:
    """A node's heartbeat.

    roots: names it can read now. boot: this life of its agent. paused: why it takes no work.
    placement: why its slots have the cores they have.
    node_id: of its state folder; empty from a release that had none.
    vnni: whether its processor adds products of small numbers in 32 bits.
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
