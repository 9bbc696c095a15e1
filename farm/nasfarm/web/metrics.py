"""Home and broker → the text that Prometheus scrapes: of the whole farm, whatever node is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

import nasfarm
from nasfarm.broker.client import Broker
from nasfarm.broker.tallies import FARM
from nasfarm.core.jobs import State
from nasfarm.core.nodes import NodeReport
from nasfarm.core.tallies import Tally
from nasfarm.errors import BrokerError, FarmError, RejectError
from nasfarm.home import Home
from nasfarm.plan.chunks import queue_name
from nasfarm.recipe_specs import specs
from nasfarm.web.families import MOST, Known, always, depth_of, families

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Told(Collector):
    """Families that are told as they are."""

    def __init__(self, told: Sequence[Metric]) -> None:
        self._told = told

    def collect(self) -> Iterable[Metric]:
        return self._told


def exposition(home: Home | None, broker: Broker) -> bytes:
    """All metrics, of type CONTENT_TYPE. Never raises a FarmError: without the broker they say so.

    home: None where it is away. Blocks on broker and home.
    """
    try:
        broker.check()
        told = list(families(look(home, broker)))
    except BrokerError:
        told = []
    about = always(nasfarm.__version__, broker_up=bool(told))
    registry = CollectorRegistry()
    registry.register(Told([*about, *told]))
    return generate_latest(registry)


def look(home: Home | None, broker: Broker) -> Known:
    """Ask for everything, a few round trips in all. Raises BrokerError."""
    nodes = broker.presence.alive()[:MOST]
    away = sorted(broker.presence.away())[: MOST - len(nodes)]
    names = [*(report.node for report in nodes), *away]
    farm, *each = broker.tallies.of([FARM, *names])
    queues = depth_of(roots_of(home, nodes))
    depths = broker.readings.depths([queue_name(*queue) for queue in queues])
    live = broker.leases.all_live()
    leases = broker.leases.all_held()
    now_s = broker.readings.now_s()
    return Known(
        nodes=nodes,
        away=away,
        tallies=dict(zip(names, each, strict=True)),
        farm=farm,
        models=models_of(home, each)[:MOST],
        recipes=recipes_of(home, farm)[:MOST],
        depths=dict(zip(queues, depths, strict=True)),
        jobs=Counter(State.RUNNING if job.started else State.QUEUED for job in live),
        waiting=sum(job.waiting for job in live),
        leases=len(leases),
        oldest_s=max((now_s - lease.claimed_s for lease in leases), default=0.0),
        used_bytes=broker.readings.used_bytes(),
    )


def roots_of(home: Home | None, nodes: Sequence[NodeReport]) -> set[str]:
    """Every root that a node has, and this one's."""
    own = home.roots if home else ()
    return {*own, *(root for report in nodes for root in (*report.roots, *report.away))}


def models_of(home: Home | None, tallies: Iterable[Tally]) -> list[str]:
    """Every variant of every model in the home, as `name@version/variant`.

    Where the home is away: those that were counted, so that no series breaks off.
    """
    if home is not None:
        try:
            return sorted(variants(home))
        except FarmError:
            pass
    return sorted(set().union(*(tally.labels("images", 2) for tally in tallies)))


def variants(home: Home) -> Iterable[str]:
    """Raises StorageError; a model whose files are damaged is left out."""
    store = home.models
    for name in store.names():
        for version in store.versions(name):
            try:
                manifest = store.manifest(name, version)
            except RejectError:
                continue
            for variant in manifest.variants:
                yield f"{name}@{version}/{variant}"


def recipes_of(home: Home | None, farm: Tally) -> list[str]:
    """Every recipe, or those that were counted where the home is away."""
    if home is not None:
        try:
            return sorted(specs.names(home.recipes))
        except FarmError:
            pass
    return sorted(farm.labels("files", 1))
