"""Groups of cores to the worker processes pinned to them, and which of those are ready."""

from __future__ import annotations

import hashlib
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nasfarm.core.nodes import Slot
from nasfarm.errors import RejectError
from nasfarm.nodes.grace import of_slots
from nasfarm.nodes.supervisor import Child


def slot_name(number: int) -> str:
    """What a slot is called in logs and as a Celery worker: `slot0`, `slot1`, …"""
    return f"slot{number}"


def cgroup_name(state_dir: Path, number: int) -> str:
    """A slot's memory cgroup; two farms of one machine do not share theirs."""
    farm = hashlib.blake2b(str(state_dir).encode(), digest_size=4).hexdigest()
    return f"nasfarm-{farm}-{slot_name(number)}"


def slot_child(
    number: int,
    slots: int,
    cores: Sequence[int],
    boot: str,
    home: Path,
    state: Path,
    grace_s: float,
) -> Child:
    """The worker process of a slot, pinned by taskset. Raises RejectError where that is missing."""
    taskset = shutil.which("taskset")
    if taskset is None:
        raise RejectError("the program 'taskset' is missing. Install the package util-linux.")
    pinned = (taskset, "--cpu-list", ",".join(map(str, cores)))
    farm = (sys.executable, "-m", "nasfarm", "--home", str(home))
    slot = ("--slot", str(number), "--slots", str(slots), "--boot", boot)
    threads = str(len(cores))
    return Child(
        name=slot_name(number),
        argv=(*pinned, *farm, "worker", *slot),
        log_path=state / "logs" / f"{slot_name(number)}.log",
        env={
            # Libraries below numpy and OpenCV start a thread a core of the machine unless told.
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            # Tensors and pictures come and go by the megabyte: in large pages that costs a fifth
            # of the page faults, and the models run some 5 % faster.
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
            # A killed process leaves its temporary files; below the state folder they are ours.
            "TMPDIR": str(state / "run" / "tmp"),
            # ONNX Runtime's wheel reports its use to its maker unless told before it is imported.
            "ORT_DISABLE_TELEMETRY": "1",
        },
        # An agent's next life returns the leases of this one: nobody may still work on them.
        death_signal=signal.SIGKILL,
        grace_s=of_slots(grace_s),
    )


def ready_file(state_dir: Path, number: int) -> Path:
    """Where a slot's process writes its pid once it takes hints."""
    return state_dir / "run" / slot_name(number)


def aside_file(state_dir: Path) -> Path:
    """Where a worker says why this node cannot write to the home; not there when it can."""
    return state_dir / "run" / "aside"


def log_tail(path: Path, lines: int = 8) -> str:
    """The last lines of a slot's raw output: what a native crash has left there."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 2000))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def slot_states(
    cores: Sequence[tuple[int, ...]], pids: Mapping[str, int], state_dir: Path
) -> tuple[Slot, ...]:
    """Every slot as it is now. `pids`: of the processes that run, by slot name."""
    return tuple(
        Slot(number, group, pid, _state(ready_file(state_dir, number), pid))
        for number, group in enumerate(cores)
        for pid in [pids.get(slot_name(number), 0)]
    )


def _state(path: Path, pid: int) -> str:
    if not pid:
        return "restarting"
    try:
        return "ready" if path.read_text() == str(pid) else "starting"
    except OSError:
        return "starting"
