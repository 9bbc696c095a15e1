"""An opened home: the stores and folders that the flows work on, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nasfarm.jobs.store import JobStore
from nasfarm.registry.store import ModelStore


@dataclass(frozen=True, slots=True)
class Home:
    """FARM_HOME as this node sees it.

    recipes: folder of own recipes. roots: name → folder on this node, `home` among them.
    scratch: folder on local disk for temporary files.
    hints_per_root: how many hints of one job and root wait in the queue at most.
    """

    jobs: JobStore
    models: ModelStore
    recipes: Path
    roots: Mapping[str, Path]
    scratch: Path
    hints_per_root: int = 32
