"""Groups of cores to the worker processes pinned to them, and which of those are ready."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nasfarm.core.nodes import Slot
from nasfarm.errors import RejectError
from nasfarm.nodes.supervisor import Child


def slot_name(number: int) -> str:
    """What a slot is called in logs and as a Celery worker: `slot0`, `slot1`, …"""
    return f"slot{number}"


def slot_child(
    number: int, cores: Sequence[int], boot: str, home: Path, state: Path, grace_s: float
) -> Child:
    """The worker process of a slot, pinned by taskset. Raises RejectError where that is missing."""
    taskset = shutil.which("taskset")
    if taskset is None:
        raise RejectError("the program 'taskset' is missing. Install the package util-linux.")
    pinned = (taskset, "--cpu-list", ",".join(map(str, cores)))
    farm = (sys.executable, "-m", "nasfarm", "--home", str(home))
    threads = str(len(cores))
    return Child(
        name=slot_name(number),
        argv=(*pinned, *farm, "worker", "--slot", str(number), "--boot", boot),
        log_path=state / "logs" / f"{slot_name(number)}.log",
        env={
            # Libraries below numpy and OpenCV start a thread a core of the machine unless told.
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            # A killed process leaves its temporary files; below the state folder they are ours.
            "TMPDIR": str(state / "run" / "tmp"),
            # ONNX Runtime's wheel reports its use to its maker unless told before it is imported.
            "ORT_DISABLE_TELEMETRY": "1",
        },
        # An agent's next life returns the leases of this one: nobody may still work on them.
        death_signal=signal.SIGKILL,
        grace_s=grace_s,
    )


def ready_file(state_dir: Path, number: int) -> Path:
    """Where a slot's process writes its pid once it takes hints."""
    return state_dir / "run" / slot_name(number)


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
