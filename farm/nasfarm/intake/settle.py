"""What is seen of dropped files, again and again → those that hold still. No disk, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells whether a file has changed since the last look."""

    bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Look:
    """A file as it was when it was looked at. path: below the drop folder."""

    path: str
    mark: Mark


@dataclass(slots=True)
class Settling:
    """Files on their way: each is ready once its mark has been the same for `settle_s` seconds."""

    settle_s: float
    _since: dict[str, tuple[Mark, float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._since)

    def is_as_before(self, path: str, mark: Mark | None) -> bool:
        """Whether a file still looks as at the last look, or there was none."""
        known = self._since.get(path)
        return known is None or known[0] == mark

    def looked(self, looks: Iterable[Look], now_s: float) -> list[str]:
        """Take in what all files look like now; those that are ready, the longest waiting first.

        A file that is not among the looks is gone, and forgotten. now_s: ascends from call to call.
        """
        before, self._since = self._since, {}
        ready: list[tuple[float, str]] = []
        for look in looks:
            mark, since = before.get(look.path, (look.mark, now_s))
            if mark != look.mark:
                mark, since = look.mark, now_s
            self._since[look.path] = (mark, since)
            if now_s - since >= self.settle_s:
                ready.append((since, look.path))
        return [path for _, path in sorted(ready)]
