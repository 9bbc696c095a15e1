"""A cap on a worker process's memory: by its own cgroup where that is allowed, else by rlimit.

With a cgroup the kernel ends the process that exceeds its cap and counts that; with an rlimit
allocations fail inside it. Either way the box stays usable and only one image is in question.
"""

from __future__ import annotations

import math
import os
import resource
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
V1 = CGROUPS / "memory"


@dataclass(frozen=True, slots=True)
class MemoryCap:
    """A cap that is in force. `folder`: the cgroup's, or None where an rlimit has to do."""

    bytes: int
    folder: Path | None

    def oom_kills(self) -> int:
        """How often the kernel has ended a process of this cgroup for lack of memory."""
        if self.folder is None:
            return 0
        name = "memory.events" if (self.folder / "memory.events").exists() else "memory.oom_control"
        try:
            lines = (self.folder / name).read_text().splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def limit_self(self) -> None:
        """In the pool's child: let allocations beyond the cap fail, where there is no cgroup."""
        if self.folder is None:
            resource.setrlimit(resource.RLIMIT_DATA, (self.bytes, self.bytes))


def fair_share(slots: int) -> int:
    """Three quarters of the memory there is, the machine's or a container's, shared by its slots.

    In bytes.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min(machine, allowed()) * 0.75) // slots


def allowed(cgroups: Path = CGROUPS) -> float:
    """A container's limit in bytes, as its own topmost cgroup has it; infinite without one."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (cgroups / name).read_text().strip()
        except OSError:
            continue
        if text.isdigit():  # else "max"
            return float(text)
    return math.inf


def confine(name: str, most_bytes: int) -> MemoryCap:
    """Put this process and its later children under a cap. `name`: the cgroup's, one a slot."""
    for parent, limit in ((_own_v1(), "memory.limit_in_bytes"), (_root_v2(), "memory.max")):
        folder = parent / name if parent else None
        if folder and _enter(folder, limit, most_bytes):
            return MemoryCap(most_bytes, folder)
    return MemoryCap(most_bytes, None)


def release(name: str) -> None:
    """Remove an empty cgroup that `confine` made; one that is not there is no error."""
    for parent in (_own_v1(), _root_v2()):
        if parent:
            try:
                (parent / name).rmdir()
            except OSError:
                continue


def by_cgroup() -> bool:
    """Whether `confine` would have a cgroup here, as far as can be said without entering one."""
    name = f"nasfarm-probe-{os.getpid()}"
    for parent, limit in ((_own_v1(), "memory.limit_in_bytes"), (_root_v2(), "memory.max")):
        if parent is None:
            continue
        try:
            (parent / name).mkdir()
        except OSError:
            continue
        try:
            if os.access(parent / name / limit, os.W_OK):
                return True
        finally:
            (parent / name).rmdir()
    return False


def _enter(folder: Path, limit: str, most_bytes: int) -> bool:
    try:
        folder.mkdir(exist_ok=True)
        (folder / limit).write_text(str(most_bytes))
        (folder / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:  # not root, a container, or a kernel without it: an rlimit has to do
        return False
    return True


def _own_v1() -> Path | None:
    """This process's memory cgroup where cgroups are version 1."""
    if not V1.is_dir():
        return None
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            folder = V1 / path.lstrip("/")
            return folder if folder.is_dir() else V1
    return None


def _root_v2() -> Path | None:
    """The topmost cgroup of version 2, where it hands the memory controller down."""
    try:
        handed_down = (CGROUPS / "cgroup.subtree_control").read_text().split()
    except OSError:
        return None
    return CGROUPS if "memory" in handed_down else None
