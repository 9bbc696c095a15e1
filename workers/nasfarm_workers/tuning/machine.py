"""What tuning depends on, as a fingerprint; and tune.json, which holds for one of them only."""

from __future__ import annotations

import platform
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

from nasfarm.core import wire
from nasfarm.errors import RejectError
from nasfarm.storage.atomic import write_file
from nasfarm_workers.tuning.choice import Tuning

CPU_FACTS = ("model name", "flags", "Features", "CPU part", "cache size")
"""Lines of /proc/cpuinfo: x86 has the first two, ARM the next two."""


def fingerprint(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor and ONNX Runtime's version; from within a slot too, which has few cores."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    known = sorted({line for line in lines if line.partition("\t")[0].strip() in CPU_FACTS})
    digest = blake2b("\n".join(known).encode(), digest_size=6).hexdigest()
    return f"{platform.machine()} {digest}, onnxruntime {version('onnxruntime')}"


def kept(state_dir: Path) -> Path:
    """Where a machine's tuning lies."""
    return state_dir / "tune.json"


def tuning_for(state_dir: Path) -> Tuning | None:
    """What was tuned on this very machine; None where nothing was, or something has changed."""
    path = kept(state_dir)
    try:
        found = wire.decode(Tuning, path.read_bytes(), str(path))
    except (OSError, RejectError):
        return None
    return found if found.machine == fingerprint() else None


def keep(state_dir: Path, tuning: Tuning) -> None:
    """Raises StorageError."""
    write_file(kept(state_dir), wire.encode_pretty(tuning))
