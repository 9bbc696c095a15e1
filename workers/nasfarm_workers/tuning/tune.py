"""A home's models to this machine's tuning: every way in turn, round by round."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from nasfarm.core.models import ModelRef, PinnedModel
from nasfarm.errors import RejectError
from nasfarm.nodes.cores import Wanted, place_here
from nasfarm.registry.store import ModelStore
from nasfarm.registry.sync import verified_copy
from nasfarm_workers.runtime.session import providers
from nasfarm_workers.tuning.choice import (
    BATCHES,
    Tuning,
    Way,
    chosen_batch,
    chosen_way,
    threads_to_try,
)
from nasfarm_workers.tuning.machine import fingerprint
from nasfarm_workers.tuning.trial import trial

ROUNDS = 3
BURST_S = 0.5

FIXED = ("letterbox", "centre")
"""Kinds of input that always have one size; a model of text strips keeps what its manifest says."""


Slots = tuple[tuple[int, ...], ...]
"""Core numbers of each slot."""

_Rates = dict[tuple[Way, int], list[float]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to tune: its verified file, its input's height and width, its default batch."""

    model: PinnedModel
    path: Path
    size: tuple[int, int]
    batch: int


def subjects(store: ModelStore, local: Path, names: Sequence[str]) -> list[Subject]:
    """The models of these names that can be tuned; of no names, all of the home's.

    Raises UnknownNameError, RejectError where none is left, StorageError.
    """
    found = []
    for name in names or store.names():
        model = store.pin(ModelRef.parse(name) or ModelRef(name))
        manifest = store.manifest(model.name, model.version)
        if manifest.input.kind in FIXED:
            size = (manifest.input.height, manifest.input.width)
            path = verified_copy(store, local, model)
            found.append(Subject(model, path, size, manifest.batch))
    if not found:
        raise RejectError(
            f"{store.folder}: no model to tune ({', '.join(names) or 'none is there'}); only those "
            "whose input has one size can be. Fetch one with: farm models pull nanodet-g"
        )
    return found


def slots_by_way(lent: Wanted) -> dict[Way, Slots]:
    """The ways to try and their slots on this machine, the default first: a slot a core.

    lent: what the settings say of cores; how many make a slot is what is to be found out.
    """
    found: dict[Way, Slots] = {}
    default = place_here(replace(lent, slots=None, cores_per_slot=1)).slots
    for threads in threads_to_try(len(default)):
        slots = place_here(replace(lent, slots=None, cores_per_slot=threads)).slots
        found |= {Way(len(slots), threads, provider): slots for provider in providers()}
    return found


def tune_all(
    wanted: Sequence[Subject],
    placed: Mapping[Way, Slots],
    most_s: float,
    say: Callable[[str], None],
) -> Tuning:
    """Try every way on every model, for about `most_s` seconds in all. Raises RejectError.

    wanted: at least one. placed: as of `slots_by_way`.
    """
    ends = time.monotonic() + most_s
    measured: list[_Rates] = [{} for _ in wanted]
    for turn in range(ROUNDS):
        for subject, rates in zip(wanted, measured, strict=True):
            if turn and time.monotonic() > ends:
                continue
            say(f"{subject.model}: round {turn + 1} of {ROUNDS}")
            for way, slots in placed.items():
                measure(subject, way, slots, rates)
    default = next(iter(placed))
    way = chosen_way(default, measured)
    return Tuning(
        machine=fingerprint(),
        cores=default.slots * default.threads,
        tuned_at=datetime.now(UTC).isoformat(timespec="seconds"),
        threads=way.threads,
        provider=way.provider,
        models={
            str(subject.model): chosen_batch(rates, way, subject.batch)
            for subject, rates in zip(wanted, measured, strict=True)
        },
    )


def measure(subject: Subject, way: Way, slots: Slots, into: _Rates) -> None:
    """One round of one way: a burst at every batch size."""
    with trial(subject.path, subject.size, way, slots) as running:
        for batch in sorted({*BATCHES, subject.batch}):
            into.setdefault((way, batch), []).append(running.rate(batch, BURST_S))
