"""A slow question and all who ask it → one answer a second, asked once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Generic, TypeVar

T = TypeVar("T")

PAUSE_S, PATIENCE_S = 1.0, 5.0
"""So old an answer may be; so long one is waited for."""

CALM = 4
"""An answer that took long is good for so many times its length: a fifth of a core at most."""


class Shared(Generic[T]):
    """Asks in a thread, at most one at a time. All methods belong to one loop."""

    def __init__(self, ask: Callable[[], T], threads: Executor, pause_s: float = PAUSE_S) -> None:
        self._ask = ask
        self._threads = threads
        self._pause_s = pause_s
        self._task: asyncio.Task[T] | None = None
        self.next_s = 0.0
        """When it may be asked again, on the loop's clock."""

    async def get(self) -> T:
        """The newest answer, or what asking raised. Raises TimeoutError while one is late."""
        task = self._task
        if task is None or (task.done() and asyncio.get_running_loop().time() >= self.next_s):
            task = self._task = asyncio.create_task(self._asked())
            # Of what nobody waits for any more, nobody hears that it failed.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({task}, timeout=PATIENCE_S)
        if not task.done():
            raise TimeoutError
        return task.result()

    def forget(self) -> None:
        """What is known, or just being asked, holds no longer."""
        self._task = None

    async def _asked(self) -> T:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        try:
            return await loop.run_in_executor(self._threads, self._ask)
        finally:
            took_s = loop.time() - begun_s
            self.next_s = begun_s + max(self._pause_s, (1 + CALM) * took_s)
