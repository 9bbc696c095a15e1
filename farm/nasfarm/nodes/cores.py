"""A machine's topology and the settings to slots of cores, and why just these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from nasfarm.errors import RejectError
from nasfarm.nodes.topology import Processor, Topology, read_topology


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings say. slots: None: as many as fit. spare: cores left to the NAS itself."""

    slots: int | None = None
    cores_per_slot: int = 1
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Each slot's processors, and a sentence or more to say why these."""

    slots: tuple[tuple[int, ...], ...]
    why: str


def place_here(wanted: Wanted) -> Placement:
    """Slots on this machine, as far as this process may use it. Raises RejectError."""
    return place(read_topology(), wanted)


def place(topology: Topology, wanted: Wanted) -> Placement:
    """One thread of each physical core, the strong cores first; a slot's cores are of one kind.

    A second thread of a core adds little to what its first one computes, and is free for the NAS.
    Only where more slots are asked for than that gives are these threads taken, too.
    Raises RejectError where the processors do not suffice.
    """
    first, second = threads(topology.processors)
    kept = first[: len(first) - wanted.spare] if wanted.spare < len(first) else []
    groups = list(grouped(kept, wanted.cores_per_slot))
    fit = len(groups)
    if topology.quota is not None:  # what is left of it keeps the agent and the broker going
        fit = min(fit, max(1, int(topology.quota / wanted.cores_per_slot)))
    count = fit if wanted.slots is None else wanted.slots
    if count > len(groups):
        taken = {processor.core for processor in kept}
        spare_threads = [processor for processor in second if processor.core in taken]
        groups += grouped(spare_threads, wanted.cores_per_slot)
    if not count or count > len(groups):
        raise RejectError(_too_many(topology, wanted, count))
    return Placement(tuple(groups[:count]), " ".join(_why(topology, wanted, fit, count)))


def threads(processors: Iterable[Processor]) -> tuple[list[Processor], list[Processor]]:
    """The first thread of every physical core, and all others; each in the order they are used."""
    order = sorted(processors, key=lambda one: (one.efficient, one.node, one.core, one.number))
    first = {processor.core: processor for processor in reversed(order)}
    return (
        [one for one in order if first[one.core] is one],
        [one for one in order if first[one.core] is not one],
    )


def grouped(processors: Iterable[Processor], size: int) -> Iterator[tuple[int, ...]]:
    """Groups of `size`, none across two memory nodes or two kinds of core.

    The slowest core of a slot holds up the others, and memory of another node is far away.
    """
    for _, alike in groupby(processors, key=lambda one: (one.efficient, one.node)):
        numbers = [processor.number for processor in alike]
        for start in range(0, len(numbers) - size + 1, size):
            yield tuple(numbers[start : start + size])


def _why(topology: Topology, wanted: Wanted, fit: int, count: int) -> Iterator[str]:
    yield _cores(topology)
    if len(topology.processors) < topology.online:
        yield f"A container's or taskset's limit hides the others of {topology.online} processors."
    if len({processor.node for processor in topology.processors}) > 1 < wanted.cores_per_slot:
        yield "No slot reaches across two memory nodes."
    if wanted.spare:
        yield f"{_many(wanted.spare, 'core')} left to the NAS (spare_cores)."
    if topology.quota is not None:
        yield f"The container may use {topology.quota:g} cores' worth of time."
    if wanted.slots is None:
        return
    if count > fit:
        yield f"{_many(count, 'slot')} as set, more than the {fit} that would be chosen."
    else:
        yield f"{_many(count, 'slot')} as set."


def _cores(topology: Topology) -> str:
    """What there is, in words: `4 cores; …`."""
    first, second = threads(topology.processors)
    weak = sum(processor.efficient for processor in first)
    kinds = f"{len(first) - weak} fast and {weak} efficient cores"
    text = kinds if 0 < weak < len(first) else _many(len(first), "core")
    if second:
        return f"{text}, one thread of each; their second threads stay free for the NAS."
    return f"{text}."


def _too_many(topology: Topology, wanted: Wanted, count: int) -> str:
    first, second = threads(topology.processors)
    double = f" of {_many(len(first) + len(second), 'thread')}" if second else ""
    spare = f", {wanted.spare} of them spare" if wanted.spare else ""
    names = "'slots', 'cores_per_slot' or 'spare_cores'" if spare else "'slots' or 'cores_per_slot'"
    return (
        f"{count or 1} slot(s) of {wanted.cores_per_slot} core(s) wanted, but this farm may use "
        f"{len(first)} core(s){double} here{spare}. Lower {names} in node.yml."
    )


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
