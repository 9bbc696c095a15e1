"""Linux's description of a machine, in /sys and /proc, to its processors as a value.

What a kernel or container does not tell is taken to be simple: one core a processor, all alike,
one memory node, no quota.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

WEAK = 0.75
"""Share of the strongest core's capacity below which a core counts as an efficiency core. Strong
cores of one chip differ by some percent, Arm's and Intel's two kinds by 40 and more."""


@dataclass(frozen=True, slots=True)
class Processor:
    """What Linux calls a CPU: `number`, the physical core it is a thread of, its memory node."""

    number: int
    core: int
    node: int = 0
    efficient: bool = False


@dataclass(frozen=True, slots=True)
class Topology:
    """The processors that this process may use, and how much of them.

    online: how many the machine has. quota: processors' worth of time that the cgroups grant;
    None: no limit.
    """

    processors: tuple[Processor, ...]
    online: int
    quota: float | None = None


def read_topology(root: Path = Path("/"), allowed: Iterable[int] | None = None) -> Topology:
    """The machine below `root`. allowed: processors of this process's affinity mask."""
    usable = sorted(os.sched_getaffinity(0) if allowed is None else allowed)
    cpus = root / "sys/devices/system/cpu"
    nodes = dict(_node_of(root / "sys/devices/system/node"))
    efficient = _efficient(root / "sys/devices", usable)
    return Topology(
        tuple(
            Processor(number, _core(cpus / f"cpu{number}", number), nodes.get(number, 0),
                      number in efficient)
            for number in usable
        ),
        online=len(_numbers(cpus / "online")) or len(usable),
        quota=_quota(root),
    )  # fmt: skip


def _core(cpu: Path, number: int) -> int:
    """The first processor of the same physical core stands for the core."""
    # The second name is the older kernels'.
    lists = (_numbers(cpu / "topology" / n) for n in ("core_cpus_list", "thread_siblings_list"))
    return min((core[0] for core in lists if core), default=number)


def _node_of(folder: Path) -> Iterator[tuple[int, int]]:
    for path in folder.glob("node[0-9]*"):
        for number in _numbers(path / "cpulist"):
            yield number, int(path.name.removeprefix("node"))


def _efficient(devices: Path, usable: Iterable[int]) -> frozenset[int]:
    """By the capacity that Arm's and newer Intel kernels tell, else by Intel's list."""
    cpus = devices / "system/cpu"
    told = {n: _numbers(cpus / f"cpu{n}" / "cpu_capacity") for n in _numbers(cpus / "online")}
    capacity = {number: told[number][0] for number in usable if told.get(number)}
    if capacity:
        strongest = max(each[0] for each in told.values() if each)
        return frozenset(n for n, each in capacity.items() if each < WEAK * strongest)
    return frozenset(_numbers(devices / "cpu_atom/cpus"))


def _quota(root: Path) -> float | None:
    """The tightest of this process's cgroups and those above it, versions 1 and 2."""
    shares: list[float] = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            tops = (root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified")
        elif "cpu" in controllers.split(","):
            tops = (root / "sys/fs/cgroup/cpu", root / "sys/fs/cgroup" / controllers)
        else:
            continue
        for top in tops:
            # In a container the path may be the host's: then the folder itself is its cgroup.
            folder = top / path.lstrip("/")
            shares += [_share(one) for one in (folder, *folder.parents) if one.is_relative_to(top)]
    least = min(shares, default=float("inf"))
    return None if least == float("inf") else least


def _share(cgroup: Path) -> float:
    """Processors' worth of time that a cgroup grants; infinity where it sets no limit."""
    said = _text(cgroup / "cpu.max").split()
    if not said:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        said = [_text(cgroup / name).strip() for name in names]
    try:
        quota, period = int(said[0]), int(said[1])
    except ValueError:  # "max", or no such file
        return float("inf")
    return quota / period if quota > 0 and period > 0 else float("inf")


def _numbers(path: Path) -> list[int]:
    """`0-3,8` as [0, 1, 2, 3, 8]; none where there is no such file."""
    numbers: list[int] = []
    for part in _text(path).strip().split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            numbers += range(int(first), int(last or first) + 1)
    return numbers


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
