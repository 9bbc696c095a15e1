"""What the system says of its processor to whether it has VNNI."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FLAGS = frozenset({"avx512_vnni", "avx_vnni"})


@cache
def has_vnni(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor adds products of small numbers in 32 bits; False where it is not
    said, as on ARM.
    """
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return False
    said = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    return not _FLAGS.isdisjoint(said.split())
