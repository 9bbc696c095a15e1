"""What the node's agent tells its workers at once: a byte of memory that they share through a file.

A worker looks at it at each step of its work, for each line in the reduce step: a look takes
0.1 µs, where a look whether a file is there would take some 3.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

from nasfarm.core.nodes import Hold

WORK, TAKE_NONE, HAND_BACK = range(3)


@dataclass(frozen=True, slots=True)
class Orders:
    """A node's order as it is now, the same for its agent and all its workers."""

    memory: mmap.mmap

    @classmethod
    def of(cls, state_dir: Path) -> Orders:
        """Those of the node whose state folder this is; the file stays for its next life."""
        path = state_dir / "run" / "order"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            if not file.tell():
                file.write(bytes([WORK]))  # not a hole: on a full disk, filling it ends the process
                file.flush()
            return cls(mmap.mmap(file.fileno(), 1))

    def give(self, held: tuple[Hold, ...]) -> None:
        """In the agent: what follows for its workers from what holds the node."""
        now = any(hold.reason == "pause" for hold in held)
        order = HAND_BACK if now else TAKE_NONE if held else WORK
        if self.memory[0] != order:  # the same byte, too, would be written to disk again and again
            self.memory[0] = order

    def take_work(self) -> bool:
        """Whether a worker may begin another chunk."""
        return self.memory[0] == WORK

    def hand_back(self) -> bool:
        """Whether a worker must not go on with what it has."""
        return self.memory[0] == HAND_BACK
