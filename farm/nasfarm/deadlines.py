"""THE DEADLINE FLOW: live jobs, measured rates, nodes → the slots each node uses. Only calls."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nasfarm.broker.client import Broker
from nasfarm.core.jobs import Job, Priority
from nasfarm.core.nodes import NodeReport
from nasfarm.errors import RejectError
from nasfarm.home import Home
from nasfarm.plan.deadlines import Lent, Work, done_in, slots_for

log = logging.getLogger(__name__)

USED_S = 60
"""What nodes are told counts for so long: while nobody leads, all go back to their usual slots."""

RANKS = {priority: rank for rank, priority in enumerate(Priority)}


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long so many items would take, by what was measured.

    per_slot_s: images a second of one slot. slots: how many the farm uses as a rule.
    seconds, done_at: with these, after what waits already. soonest: with spare cores, too.
    """

    per_slot_s: float
    slots: int
    seconds: float
    done_at: datetime
    soonest: datetime


def keep_deadlines(home: Home, broker: Broker) -> None:
    """Have each node use as many slots as the live jobs' deadlines ask for. Raises BrokerError."""
    before = broker.deadlines.slots()
    if any(job.by_s is not None for job in broker.leases.all_live()):
        nodes, now_s = taking_work(broker), broker.readings.now_s()
        works = waiting(home, broker, nodes)
        lent = {name: lent_by(node) for name, node in nodes.items()}
        slots = slots_for([*works.values()], lent, before, now_s)
        ends = {job_id: now_s + s for job_id, s in soonest(works, lent).items()}
        broker.deadlines.tell(slots, ends, USED_S)
    else:
        slots = {}
        if before:
            broker.deadlines.tell({}, {}, USED_S)
    if slots != before:
        log.info("slots in use", extra={"action": "slots_set", "slots": slots})


def soonest(works: Mapping[str, Work], lent: Mapping[str, Lent]) -> dict[str, float]:
    """Job → seconds until it would be done with every slot, of those with a deadline."""
    every = {name: node.most for name, node in lent.items()}
    found: dict[str, float] = {}
    for job_id, work in works.items():
        others = [each for other, each in works.items() if other != job_id]
        seconds = None if work.by_s is None else done_in(work, others, every)
        if seconds is not None:
            found[job_id] = seconds
    return found


def too_late(job: Job, home: Home, broker: Broker) -> datetime | None:
    """When a live job would be done with every slot there is, where that is after its deadline.

    None, too, where nobody knows how fast the work goes. Raises BrokerError.
    """
    nodes = taking_work(broker)
    lent = {name: lent_by(node) for name, node in nodes.items()}
    seconds = soonest(waiting(home, broker, nodes), lent).get(job.job_id)
    return None if seconds is None else after(job, broker.readings.now_s() + seconds)


def after(job: Job, end_s: float) -> datetime | None:
    """The end of a job, in seconds since 1970, as a time here; None where it is in time."""
    return moment(end_s) if job.by_s is not None and end_s > job.by_s else None


def moment(at_s: float) -> datetime:
    """The time here, to the second."""
    return datetime.fromtimestamp(round(at_s)).astimezone()


def forecast(job: Job, items: int, home: Home, broker: Broker) -> Forecast | None:
    """How long so many items would take that are like those of a job which is done.

    None where no node is there that could do them. Raises BrokerError.
    """
    nodes = taking_work(broker)
    able = able_nodes(job, nodes)
    per_slot_s = home.jobs.pace(job.job_id).images_per_slot_s or broker.rates.of(job.recipe)
    lent = {name: lent_by(nodes[name]) for name in able}
    if not lent or not per_slot_s:
        return None
    work = Work(items, items, dict.fromkeys(able, per_slot_s), rank=RANKS[job.priority])
    others = waiting(home, broker, nodes).values()
    usual = {name: node.usual for name, node in lent.items()}
    most = {name: node.most for name, node in lent.items()}
    seconds, least_s = done_in(work, others, usual), done_in(work, others, most)
    if seconds is None or least_s is None:
        return None
    now_s = broker.readings.now_s()
    done_at, soonest_at = moment(now_s + seconds), moment(now_s + least_s)
    return Forecast(per_slot_s, sum(usual.values()), round(seconds, 1), done_at, soonest_at)


def taking_work(broker: Broker) -> dict[str, NodeReport]:
    """The nodes that are there and not held, by name."""
    return {node.node: node for node in broker.presence.alive() if not node.paused}


def waiting(home: Home, broker: Broker, nodes: Mapping[str, NodeReport]) -> dict[str, Work]:
    """What is left of each live job, by its id; of one with a deadline even if nothing is."""
    works: dict[str, Work] = {}
    for live in broker.leases.all_live():
        if not live.waiting and live.by_s is None:
            continue
        try:
            job = home.jobs.load(live.job_id)
        except RejectError:  # gone, damaged or a newer release's: whoever mends it says so
            continue
        rates = broker.rates.on(able_nodes(job, nodes), job.recipe)
        works[job.job_id] = Work(job.items, live.waiting, rates, job.by_s, RANKS[job.priority])
    return works


def able_nodes(job: Job, nodes: Mapping[str, NodeReport]) -> list[str]:
    """Names of the nodes that have one of the job's roots."""
    return [name for name, node in nodes.items() if {*job.roots} & {*node.roots}]


def lent_by(node: NodeReport) -> Lent:
    """What a node lends; one of an older release uses all it has, whatever it is told."""
    usual = max(1, node.usual or len(node.slots))
    return Lent(usual, max(usual, node.most))
