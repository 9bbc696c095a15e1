"""What is known of the farm → families of metrics, as Prometheus names and counts them. Pure.

Labels are bounded whatever users do: nodes that report, roots that nodes have, models and recipes
that the home has, MOST of each; all other labels are words of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from nasfarm.core.jobs import Priority, State
from nasfarm.core.nodes import NodeReport
from nasfarm.core.tallies import (
    BATCH_ROWS,
    CAUSES,
    NOTICE_KINDS,
    OUTCOMES,
    STATUSES,
    STEP_SECONDS,
    STEPS,
    Tally,
    buckets,
    total,
)

MOST = 100
"""So many nodes, roots, models and recipes are shown, the first by name."""

REASONS = ("pause", "drain", "storage")
SLOT_STATES = ("starting", "ready", "restarting", "stopped")
LIVE_STATES = (State.QUEUED, State.RUNNING)

Rows = Iterable[tuple[Sequence[str], float]]
"""The values of the labels, and the metric's value."""


@dataclass(frozen=True, slots=True)
class Known:
    """What one look at broker and home has found.

    nodes: that report now; away: that did in the last days. tallies: by node. farm: what is done
    once for all nodes. depths: (priority, root) → hints. waiting: items without a line.
    oldest_s: the age of the oldest lease; 0 where there is none.
    """

    nodes: Sequence[NodeReport] = ()
    away: Collection[str] = ()
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    farm: Tally = field(default_factory=Tally)
    models: Sequence[str] = ()
    recipes: Sequence[str] = ()
    depths: Mapping[tuple[str, str], int] = field(default_factory=dict)
    jobs: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    leases: int = 0
    oldest_s: float = 0.0
    used_bytes: int = 0


def always(version: str, *, broker_up: bool) -> Iterator[Metric]:
    """What can be told without a broker."""
    yield gauge("farm_build_info", "The release of this page.", ["version"], [([version], 1)])
    yield gauge("farm_broker_up", "Whether the broker answers (1) or not (0).", [],
                [([], broker_up)])  # fmt: skip


def families(known: Known) -> Iterator[Metric]:
    """Everything else."""
    yield from of_work(known)
    yield from of_steps(known)
    yield from of_the_watcher(known)
    yield from of_the_queue(known)
    yield from of_nodes(known)
    yield from of_boxes(known.nodes)


def of_work(known: Known) -> Iterator[Metric]:
    """What nodes have done."""
    yield counter(
        "farm_images", "Images whose line was published; model: that of the recipe's first stage.",
        ["status", "model", "node"],
        (([status, model, node], tally.of("images", status, model))
         for node, tally in known.tallies.items()
         for model in known.models for status in STATUSES),
    )  # fmt: skip
    yield counter(
        "farm_chunks", "Chunks that were run to their end.", ["node"],
        (([node], tally.of("chunks")) for node, tally in known.tallies.items()),
    )  # fmt: skip
    yield counter(
        "farm_attempts_lost", "Attempts at a chunk that came to nothing; cause: how.",
        ["node", "cause"],
        (([node, cause], tally.of("lost", cause))
         for node, tally in known.tallies.items() for cause in CAUSES),
    )  # fmt: skip


def of_steps(known: Known) -> Iterator[Metric]:
    """How long an image takes where, and how many share a run of a model."""
    steps = HistogramMetricFamily(
        "farm_stage_seconds", "Seconds of one core that an image takes in a step, a chunk's mean.",
        labels=["stage", "node"],
    )  # fmt: skip
    rows = HistogramMetricFamily(
        "farm_batch_size", "Views in one run of a model.", labels=["node", "model"]
    )
    for node, tally in known.tallies.items():
        for step in STEPS:
            bounds = list(buckets(tally, "step", step, STEP_SECONDS))
            steps.add_metric([step, node], bounds, total(tally, "step", step))
        for model in known.models:
            bounds = list(buckets(tally, "batch", model, BATCH_ROWS))
            rows.add_metric([node, model], bounds, total(tally, "batch", model))
    yield from (steps, rows)


def of_the_watcher(known: Known) -> Iterator[Metric]:
    """What the one watcher that leads has done."""
    yield counter(
        "farm_files_taken", "Dropped files that were handed in.", ["recipe"],
        (([recipe], known.farm.of("files", recipe)) for recipe in known.recipes),
    )  # fmt: skip
    yield counter(
        "farm_notices", "Notices; failed: a try at a receiver that did not answer.",
        ["kind", "outcome"],
        (([kind, outcome], known.farm.of("notices", kind, outcome))
         for kind in NOTICE_KINDS for outcome in OUTCOMES),
    )  # fmt: skip


def of_the_queue(known: Known) -> Iterator[Metric]:
    """What waits and what runs."""
    yield gauge(
        "farm_queue_hints", "Hints that wait in a queue.", ["priority", "root"],
        (([priority, root], depth) for (priority, root), depth in known.depths.items()),
    )  # fmt: skip
    yield gauge(
        "farm_jobs", "Live jobs.", ["state"],
        (([state], known.jobs.get(state, 0)) for state in LIVE_STATES),
    )  # fmt: skip
    yield gauge("farm_items_waiting", "Images of live jobs that have no line yet.", [],
                [([], known.waiting)])  # fmt: skip
    yield gauge("farm_leases", "Chunks that are being run.", [], [([], known.leases)])
    yield gauge("farm_lease_age_seconds", "Age of the oldest lease; 0 where there is none.", [],
                [([], known.oldest_s)])  # fmt: skip
    yield gauge("farm_broker_used_bytes", "Memory that the broker's content takes.", [],
                [([], known.used_bytes)])  # fmt: skip


def of_nodes(known: Known) -> Iterator[Metric]:
    """Which nodes are there, and what they lend."""
    here = [([report.node], 1) for report in known.nodes]
    yield gauge(
        "farm_node_up", "Whether a node reports (1) or has gone without a word (0).", ["node"],
        [*here, *(([name], 0) for name in sorted(known.away))],
    )  # fmt: skip
    yield gauge(
        "farm_slots", "Slots of a node by their state.", ["node", "state"],
        (([report.node, state], Counter(slot.state for slot in report.slots)[state])
         for report in known.nodes for state in SLOT_STATES),
    )  # fmt: skip
    yield gauge(
        "farm_paused", "Whether this keeps a node from taking work (1) or not (0).",
        ["node", "reason"],
        (([report.node, reason], reason in holding(report))
         for report in known.nodes for reason in sorted({*REASONS, *holding(report)})),
    )  # fmt: skip
    yield gauge(
        "farm_root_ok", "Whether a node can read a root (1) or its folder is away (0).",
        ["node", "root"],
        (([report.node, root], root in report.roots)
         for report in known.nodes for root in sorted({*report.roots, *report.away})[:MOST]),
    )  # fmt: skip


def of_boxes(nodes: Sequence[NodeReport]) -> Iterator[Metric]:
    """What nodes tell of their hardware."""
    disks = [(report.node, disk) for report in nodes for disk in report.disks]
    yield gauge(
        "farm_disk_free_bytes", "Room on the disk of a node's home or state folder.",
        ["node", "disk"], (([node, disk.name], disk.free_bytes) for node, disk in disks),
    )  # fmt: skip
    yield gauge(
        "farm_disk_bytes", "Size of the disk of a node's home or state folder.",
        ["node", "disk"], (([node, disk.name], disk.total_bytes) for node, disk in disks),
    )  # fmt: skip
    yield gauge(
        "farm_temperature_celsius", "The highest temperature that a box tells.", ["node"],
        (([report.node], report.temperature_c)
         for report in nodes if report.temperature_c is not None),
    )  # fmt: skip


def holding(report: NodeReport) -> set[str]:
    """Reasons that hold a node; an older release says only that there is one: its storage."""
    reasons = {hold.reason for hold in report.held}
    return reasons or ({"storage"} if report.paused else set())


def depth_of(roots: Iterable[str]) -> list[tuple[Priority, str]]:
    """The queues that are looked at: each priority of each of these roots."""
    return [(priority, root) for priority in Priority for root in sorted(set(roots))[:MOST]]


def counter(name: str, text: str, labels: Sequence[str], rows: Rows) -> Metric:
    """Its samples are called `<name>_total`."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def gauge(name: str, text: str, labels: Sequence[str], rows: Rows) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family
