"""The cores this process may use to slots of cores."""

from __future__ import annotations

import os

from nasfarm.errors import RejectError


def usable_cores() -> tuple[int, ...]:
    """Core numbers this process may run on: a container's cpuset and taskset are respected."""
    return tuple(sorted(os.sched_getaffinity(0)))


def slots_of(
    cores: tuple[int, ...], slots: int | None, cores_per_slot: int
) -> list[tuple[int, ...]]:
    """Groups of neighbouring cores, `cores_per_slot` each; as many as fit, or `slots`.

    Raises RejectError where the cores do not suffice.
    """
    most = len(cores) // cores_per_slot
    wanted = most if slots is None else slots
    if wanted > most or not wanted:
        raise RejectError(
            f"{wanted or 1} slot(s) of {cores_per_slot} core(s) wanted, but this farm may use "
            f"{len(cores)} core(s) here. Lower 'slots' or 'cores_per_slot' in node.yml."
        )
    groups = (cores[n * cores_per_slot : (n + 1) * cores_per_slot] for n in range(wanted))
    return list(groups)
