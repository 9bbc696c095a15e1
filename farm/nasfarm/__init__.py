"""nasfarm: image inference on the CPUs of NAS boxes. `from nasfarm import Farm`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasfarm.api import Farm as Farm

__version__ = "0.1.0"
__all__ = ["Farm", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Farm":
        from nasfarm.api import Farm

        return Farm
    raise AttributeError(f"module 'nasfarm' has no attribute '{name}'")
