"""The rules of all recipes to a lane for each receiver, going on where the ledgers say."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from nasfarm.core.items import HOME_ROOT, SENTINEL
from nasfarm.core.notices import NoticeRule
from nasfarm.errors import RejectError
from nasfarm.home import Home
from nasfarm.jobs.store import JobStore
from nasfarm.notices import ledger
from nasfarm.notices.lane import Lane, Place
from nasfarm.notices.ledger import Position
from nasfarm.notices.outbox import Day, Outbox
from nasfarm.notices.passwords import FOLDER as SECRETS
from nasfarm.notices.receivers import Receiver
from nasfarm.storage.atomic import storage_errors

log = logging.getLogger(__name__)

Rules = Mapping[str, tuple[NoticeRule, ...]]
"""Recipe → what its owner wants to be told of."""


@dataclass(frozen=True, slots=True)
class Address:
    """A receiver of a recipe's notices. kind: webhook | mqtt. rules: those that name it."""

    recipe: str
    kind: str
    url: str
    rules: tuple[NoticeRule, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(rule.name for rule in self.rules)

    @property
    def file(self) -> str:
        """The ledger's name. The address itself may be a secret, so it is not in it."""
        digest = hashlib.blake2b(self.url.encode(), digest_size=6).hexdigest()
        return f"{self.recipe}.{self.kind}.{digest}.json"

    def takes_over(self, file: str, position: Position) -> bool:
        """Whether a ledger is that of the same rules at another address of the same kind."""
        return file.startswith(f"{self.recipe}.{self.kind}.") and bool(
            set(self.names) & set(position.rules)
        )


@dataclass(frozen=True, slots=True)
class Group:
    """A recipe's lanes and the chunks they all look at."""

    outbox: Outbox
    lanes: tuple[Lane, ...]

    def look(self, today: date, clock_s: float) -> tuple[Day, ...]:
        """What is published. Raises StorageError."""
        yesterday = (today - timedelta(1)).isoformat()
        return self.outbox.look(
            min([yesterday, *(lane.floor for lane in self.lanes)]), today, clock_s
        )


def addresses(rules: Rules) -> list[Address]:
    """Every receiver of every recipe, each once."""
    found: dict[tuple[str, str, str], list[NoticeRule]] = {}
    for recipe, own in rules.items():
        for rule in own:
            for kind, url in (("webhook", rule.webhook), ("mqtt", rule.mqtt)):
                if url:
                    found.setdefault((recipe, kind, url), []).append(rule)
    return [Address(*key, tuple(named)) for key, named in found.items()]


def arranged(
    home: Home, rules: Rules, today: date, clock: Callable[[], float], hold_s: float
) -> list[Group]:
    """The lanes, each where it was. A receiver that is new is told of nothing that lies there.

    Ledgers of receivers that no rule names go, so that they do not wake up with old news should
    they come back. Raises StorageError.
    """
    wanted = addresses(rules)
    folder = home.jobs.folder / ledger.FOLDER
    known = _known(folder)
    receivers = _receivers(home, wanted)
    groups = []
    for recipe in dict.fromkeys(address.recipe for address in wanted):
        own = [address for address in wanted if address.recipe == recipe]
        # A store of our own: the watcher's is in use by another thread.
        jobs = JobStore(home.jobs.folder)
        group = Group(Outbox(jobs, recipe, hold_s), ())
        begun = [_begun(address, group, folder, known, own, today, clock) for address in own]
        lanes = tuple(
            Lane(
                Place(recipe, jobs, home.roots, folder / address.file),
                address.rules,
                receivers[address.kind, address.url],
                address.kind,
                position,
                clock,
            )
            for address, position in zip(own, begun, strict=True)
        )
        groups.append(replace(group, lanes=lanes))
    for file in known.keys() - {address.file for address in wanted}:
        with storage_errors(folder / file):
            (folder / file).unlink(missing_ok=True)
    return groups


def _known(folder: Path) -> dict[str, Position]:
    found = {}
    for file in ledger.there(folder):
        try:
            position = ledger.read(folder / file)
        except RejectError as error:
            fields = {"action": "notice_ledger", "reason": str(error)}
            log.warning("it is not known which notices went out, beginning anew", extra=fields)
            continue
        if position is not None:
            found[file] = position
    return found


def _begun(
    address: Address,
    group: Group,
    folder: Path,
    known: Mapping[str, Position],
    own: Sequence[Address],
    today: date,
    clock: Callable[[], float],
) -> Position:
    """Where a receiver goes on; on disk before anything is told. Raises StorageError."""
    position = known.get(address.file)
    in_use = {other.file for other in own}
    for file, other in known.items():
        # The owner has corrected an address: what waits goes there.
        if position is None and file not in in_use and address.takes_over(file, other):
            position = other
    if position is None:
        yesterday = (today - timedelta(1)).isoformat()
        position = ledger.beginning((), group.look(today, clock()), yesterday)
    position = replace(position, rules=address.names)
    if known.get(address.file) != position:
        ledger.write(folder / address.file, position)
    return position


def _receivers(home: Home, wanted: Sequence[Address]) -> dict[tuple[str, str], Receiver]:
    """One for each address: an MQTT broker is connected to once, whatever recipes name it."""
    secrets = home.state_dir / SECRETS
    found: dict[tuple[str, str], Receiver] = {}
    for address in wanted:
        key = address.kind, address.url
        if key in found:
            continue
        if address.kind == "webhook":
            from nasfarm.notices.webhook import Webhook  # loads httpx, which few commands need

            found[key] = Webhook(address.url, secrets / "webhook")
        else:
            from nasfarm.notices.mqtt import Mqtt

            same = [other for other in wanted if (other.kind, other.url) == key]
            shows = [(o.recipe, rule) for o in same for rule in o.rules if rule.discovery]
            found[key] = Mqtt(address.url, secrets / "mqtt", _farm_id(home), shows)
    return found


def _farm_id(home: Home) -> str:
    """What tells this farm from others, the same on every machine."""
    try:
        return (home.roots[HOME_ROOT] / SENTINEL).read_text()
    except (OSError, KeyError):
        return str(home.jobs.folder)
