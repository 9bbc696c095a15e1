"""A broker's address to a client whose failures are ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from nasfarm.errors import BrokerError


def connect(url: str, retries: int = 3, answer_s: float = 10) -> redis.Redis:
    """A client that gives up on a silent broker after seconds, not for ever. Connects lazily."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=answer_s,
        socket_connect_timeout=min(5, answer_s),
        socket_keepalive=True,
        health_check_interval=10,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries),
    )


def shown(url: str) -> str:
    """The address without its password, for messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}"


@contextmanager
def broker_errors(place: str = "broker") -> Iterator[None]:
    """Turn what the Redis client raises into a BrokerError that says what to start."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise BrokerError(
            f"the broker does not answer ({place}: {error}). Start the farm with: farm up"
        ) from error
    except redis.RedisError as error:
        raise BrokerError(
            f"the broker refuses ({place}: {error}). Check broker.url and its password."
        ) from error


def clock_s(url: str) -> float:
    """The broker's clock, in seconds since 1970. Raises BrokerError."""
    with broker_errors(shown(url)), connect(url, retries=0) as client:
        seconds, micros = client.time()
    return float(seconds) + float(micros) / 1e6


def check(url: str, answer_s: float = 5) -> None:
    """Return if the broker answers within some seconds, else raise BrokerError."""
    with broker_errors(shown(url)), connect(url, retries=0, answer_s=answer_s) as client:
        client.ping()
