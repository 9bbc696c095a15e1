"""A broker's address to everything the flows ask of it: leases, hints, presence and others."""

from __future__ import annotations

from functools import cached_property

import redis

from nasfarm.broker import connection
from nasfarm.broker.deadlines import Deadlines
from nasfarm.broker.hints import Hints
from nasfarm.broker.leases import Leases
from nasfarm.broker.presence import Presence
from nasfarm.broker.rates import Rates
from nasfarm.broker.readings import Readings
from nasfarm.broker.tallies import Tallies


class Broker:
    """Redis or Valkey, whoever runs it. Connects when first used. Raises BrokerError."""

    def __init__(self, url: str, lease_s: float) -> None:
        self.url = url
        self.lease_s = lease_s

    def check(self, answer_s: float = 5) -> None:
        """Return if the broker answers within so many seconds."""
        connection.check(self.url, answer_s)

    def clock_s(self) -> float:
        """The broker's clock, in seconds since 1970."""
        return connection.clock_s(self.url)

    @cached_property
    def _client(self) -> redis.Redis:
        return connection.connect(self.url)

    @cached_property
    def leases(self) -> Leases:
        return Leases(self._client, self.lease_s)

    @cached_property
    def presence(self) -> Presence:
        return Presence(self._client)

    @cached_property
    def rates(self) -> Rates:
        return Rates(self._client)

    @cached_property
    def deadlines(self) -> Deadlines:
        return Deadlines(self._client)

    @cached_property
    def readings(self) -> Readings:
        return Readings(self._client)

    @cached_property
    def tallies(self) -> Tallies:
        # A client of its own: where an answer was lost, the others send again.
        return Tallies(connection.connect(self.url, retries=0, answer_s=2))

    @cached_property
    def hints(self) -> Hints:
        from nasfarm.broker.celery_app import create_celery  # Celery takes 0.2 s to import

        return Hints(create_celery(self.url), self._client)
