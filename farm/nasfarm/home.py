"""An opened home: the stores and folders that the flows work on, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nasfarm.jobs.store import JobStore
from nasfarm.nodes.roots import root_of
from nasfarm.registry.store import ModelStore


@dataclass(frozen=True, slots=True)
class Home:
    """FARM_HOME as this node sees it.

    recipes: folder of own recipes. roots: name → folder on this node, `home` among them.
    state_dir: this machine's own folder, on a local disk.
    hints_per_root: how many hints of one job and root wait in the queue at most.
    """

    jobs: JobStore
    models: ModelStore
    recipes: Path
    roots: Mapping[str, Path]
    state_dir: Path
    hints_per_root: int = 32

    def locate(self, path: str) -> tuple[str, bytes] | None:
        """A resolved path to its root's name and the path below it; None outside every root."""
        return root_of(Path(path), self.roots)

    @property
    def scratch(self) -> Path:
        """Folder for temporary files."""
        return self.state_dir / "tmp"
