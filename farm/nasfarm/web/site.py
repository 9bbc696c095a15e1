"""What all handlers share: the farm as it is seen, who may log in, threads for slow work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from nasfarm.config import Settings
from nasfarm.errors import RetryError
from nasfarm.web.attempts import Attempts
from nasfarm.web.fragments import Renderer
from nasfarm.web.guard import is_loopback, split_listen
from nasfarm.web.hub import Hub
from nasfarm.web.look import Looker
from nasfarm.web.shared import Shared
from nasfarm.web.sight import Sight
from nasfarm.web.users import Role, User, Users

T = TypeVar("T")

SLOW_S = 30.0
"""What was asked for by a button has so long; a share that hangs may take for ever."""


@dataclass(frozen=True, slots=True)
class Who:
    """Whoever sent a request. name: empty on a loopback address, where nobody logs in."""

    name: str
    role: Role

    @property
    def acts(self) -> bool:
        return self.role == "operate"


def _pool(name: str, threads: int) -> Callable[[], ThreadPoolExecutor]:
    return lambda: ThreadPoolExecutor(threads, thread_name_prefix=name)


@dataclass(slots=True)
class Site:
    """One server's farm, users and threads. key: what cookies are signed with. style: the pages'
    CSS. passed: names to a proof of the password that was right last. turn: whoever's password is
    checked now.

    Each kind of slow work has threads of its own, so that a share that hangs, or a slow reader of a
    large file, keeps nobody from logging in.
    """

    settings: Settings
    sight: Sight
    hub: Hub
    looker: Looker
    renderer: Renderer
    users: Users
    key: bytes
    style: str
    asking: ThreadPoolExecutor
    ready: Shared[Mapping[str, str]]
    metrics: Shared[bytes]
    attempts: Attempts = field(default_factory=Attempts)
    passed: dict[str, bytes] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    checking: ThreadPoolExecutor = field(default_factory=_pool("login", 1))
    acting: ThreadPoolExecutor = field(default_factory=_pool("act", 4))
    sending: ThreadPoolExecutor = field(default_factory=_pool("send", 4))

    @property
    def loopback(self) -> bool:
        """Whether only this machine itself can ask: then nobody has to log in."""
        return is_loopback(split_listen(self.settings.web_listen)[0])

    async def check(self, name: str, password: str) -> User | None:
        """The user, where the password is right: one after another, for each costs 16 MB."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.checking, self.users.check, name, password)

    async def act(self, what: Callable[[], T]) -> T:
        """Run something slow in a thread. Raises RetryError when it takes too long, and its own."""
        task = asyncio.get_running_loop().run_in_executor(self.acting, what)
        try:
            return await asyncio.wait_for(asyncio.shield(task), SLOW_S)
        except TimeoutError:
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise RetryError(
                f"the farm's folder or broker has not answered for {SLOW_S:g} s. Look with: "
                "farm doctor"
            ) from None

    def close(self) -> None:
        """Let the threads go; what hangs is left behind."""
        self.hub.close()
        for pool in (self.asking, self.checking, self.acting, self.sending):
            pool.shutdown(wait=False, cancel_futures=True)
