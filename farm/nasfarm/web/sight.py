"""The farm's home and broker → what of them can be reached now, and what is in the way.

Opened anew where it could not be: a home that was away at the start may name another broker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from nasfarm.api import Farm
from nasfarm.broker.client import Broker
from nasfarm.config import Settings
from nasfarm.core.items import HOME_ROOT, SENTINEL
from nasfarm.errors import BrokerError, FarmError, StorageError
from nasfarm.home import Home
from nasfarm.nodes.roots import known_roots, present
from nasfarm.web.views import Trouble

ANSWER_S = 2.0
"""A broker that says nothing for so long is away. Less than anybody waits for a look, which would
else say nothing of it; a box that is switched off does not even refuse.
"""


class NoBroker(Broker):
    """Stands for a broker that has just not answered: whoever asks hears it at once, not after the
    time-outs of each question.
    """

    def __init__(self, why: str) -> None:
        super().__init__("", 1)
        self._why = why

    def check(self, answer_s: float = 0) -> None:
        raise BrokerError(self._why)

    @cached_property
    def _client(self) -> NoReturn:  # which all that one can ask begins with
        raise BrokerError(self._why)


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be reached now. home: None where it is away."""

    settings: Settings
    home: Home | None
    broker: Broker
    troubles: tuple[Trouble, ...]


class Sight:
    """One farm as this node sees it. Blocks on storage and network; never raises FarmError."""

    def __init__(self, open_farm: Callable[[], Farm]) -> None:
        self._open = open_farm
        self._farm: Farm | None = None
        self.settings = open_farm().settings

    def see(self) -> Seen:
        """Ask for home and broker."""
        farm = self._farm = self._farm or self._open()
        troubles: list[Trouble] = []
        home = self._home(farm, troubles)
        broker = self._broker(farm, troubles)
        if troubles:
            self._farm = None
        return Seen(self.settings, home, broker, tuple(troubles))

    def home(self) -> Home:
        """The home alone: who wants a file waits for no broker. Raises StorageError."""
        farm = self._farm = self._farm or self._open()
        troubles: list[Trouble] = []
        home = self._home(farm, troubles)
        if home is None:
            self._farm = None
        return there(Seen(self.settings, home, NoBroker(""), tuple(troubles)))

    def _home(self, farm: Farm, troubles: list[Trouble]) -> Home | None:
        try:
            self.settings = farm.settings
            if home_is_there(farm.settings):
                return farm.home
        except FarmError as error:
            troubles.append(Trouble("The farm's folder cannot be used", str(error)))
            return None
        where = self.settings.home
        mend = f"Mount its disk or share; if there never was a farm: farm --home {where} init"
        troubles.append(Trouble("The farm's folder is away", f"{where} is not there.", mend))
        return None

    def _broker(self, farm: Farm, troubles: list[Trouble]) -> Broker:
        try:
            farm.broker.check(ANSWER_S)
            return farm.broker
        except FarmError as error:
            troubles.append(Trouble("The broker does not answer", str(error)))
            return NoBroker(str(error))


def home_is_there(settings: Settings) -> bool:
    """Whether the home's folder is the one that this machine has recorded. Raises StorageError."""
    (root,) = known_roots(settings.state_dir, {HOME_ROOT: settings.home})
    # A machine that only shows the farm may never have recorded it: any home is right there.
    return present(root) if root.id else (settings.home / SENTINEL).is_file()


def there(seen: Seen) -> Home:
    """The home. Raises StorageError where it is away."""
    if seen.home is None:
        trouble = seen.troubles[0]
        raise StorageError(f"{trouble.what}: {trouble.found} {trouble.mend}")
    return seen.home
