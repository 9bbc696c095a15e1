"""Tuning: the fastest way is kept where it is worth it, and only on the machine it was found on."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from nasfarm.core.models import InputSpec, ModelManifest, Variant
from nasfarm.errors import RejectError
from nasfarm.nodes.cores import Wanted
from nasfarm.registry.publish import publish_version, sha256_of, write_description
from nasfarm.registry.store import ModelStore
from nasfarm_workers.tuning.choice import (
    Tuned,
    Tuning,
    Way,
    chosen_batch,
    chosen_way,
    threads_to_try,
)
from nasfarm_workers.tuning.machine import fingerprint, keep, kept, tuning_for
from nasfarm_workers.tuning.trial import trial
from nasfarm_workers.tuning.tune import slots_by_way, subjects, tune_all

TWO, ONE = Way(2, 1), Way(1, 2)


@pytest.mark.parametrize(
    ("cores", "wanted"), [(1, [1]), (2, [1, 2]), (3, [1, 2]), (8, [1, 2, 4, 8])]
)
def test_a_slot_may_have_as_many_cores_as_there_are(cores: int, wanted: list[int]) -> None:
    assert threads_to_try(cores) == wanted


def test_the_ways_begin_with_a_slot_a_core() -> None:
    first, *others = slots_by_way(Wanted(slots=1)).items()
    way, slots = first
    assert (way.threads, way.provider) == (1, "cpu")
    assert len(slots) == way.slots
    assert all(way.threads == len(group) for way, slots in others for group in slots)


@pytest.mark.parametrize(
    ("one_slot", "wanted"),
    [
        pytest.param(99, TWO, id="slower"),
        pytest.param(102, TWO, id="faster by less than the noise"),
        pytest.param(110, ONE, id="faster"),
    ],
)
def test_another_way_must_be_worth_it(one_slot: float, wanted: Way) -> None:
    rates = {(TWO, 1): [90.0, 90.0], (TWO, 8): [100.0, 100.0], (ONE, 8): [one_slot, one_slot]}
    assert chosen_way(TWO, [rates]) == wanted


def test_a_way_must_be_faster_over_all_models() -> None:
    better, worse = {(TWO, 8): [100.0], (ONE, 8): [120.0]}, {(TWO, 8): [50.0], (ONE, 8): [40.0]}
    assert chosen_way(TWO, [better, worse]) == TWO
    assert chosen_way(TWO, [better, better]) == ONE


@pytest.mark.parametrize(
    ("by_batch", "wanted"),
    [
        pytest.param({1: 80, 4: 100, 8: 90}, 4, id="the fastest"),
        pytest.param({1: 80, 4: 101, 8: 100}, 8, id="the default, where nothing is clearly faster"),
        pytest.param({1: 119.5, 4: 120, 8: 90}, 1, id="the smaller of two that are as fast"),
    ],
)
def test_the_batch_size_that_is_worth_it_is_kept(by_batch: dict[int, float], wanted: int) -> None:
    rates = {(TWO, size): [rate, rate * 0.5, rate] for size, rate in by_batch.items()}
    tuned = chosen_batch(rates, TWO, 8)
    assert tuned == Tuned(wanted, by_batch[wanted], 8, by_batch[8])


def tuning() -> Tuning:
    found = {"nanodet-g@1/int8": Tuned(4, 50.0, 8, 45.0)}
    return Tuning(fingerprint(), 2, "2026-05-04T12:00:01+00:00", 1, "cpu", found)


def test_what_was_tuned_is_kept(tmp_path: Path) -> None:
    keep(tmp_path, tuning())
    assert tuning_for(tmp_path) == tuning()
    assert tuning().batch_of("nanodet-g@1/int8", 8) == 4
    assert tuning().batch_of("another@1/int8", 8) == 8


def test_on_another_machine_nothing_is_tuned(tmp_path: Path) -> None:
    keep(tmp_path, dataclasses.replace(tuning(), machine="another"))
    assert tuning_for(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"no json"])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    kept(tmp_path).write_bytes(content)
    assert tuning_for(tmp_path) is None


def test_the_fingerprint_tells_processors_apart(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("model name\t: Celeron J4125\nflags\t\t: sse4_2\ncpu MHz\t\t: 1999\n")
    other.write_text("model name\t: Celeron J4125\nflags\t\t: sse4_2 avx2\ncpu MHz\t\t: 1999\n")
    assert fingerprint(one) != fingerprint(other)
    one.write_text("model name\t: Celeron J4125\nflags\t\t: sse4_2 avx2\ncpu MHz\t\t: 800\n")
    assert fingerprint(one) == fingerprint(other)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A home with two small models: `blur`, whose input has one size, and `strips`."""
    home = ModelStore(tmp_path / "models")
    for name, kind in (("blur", "letterbox"), ("strips", "strip")):
        folder = tmp_path / name
        folder.mkdir()
        weights = helper.make_tensor("w", TensorProto.FLOAT, (3, 3, 1, 1), np.ones(9) / 9)
        shape = ["n", 3, "h", "w"]
        graph = helper.make_graph(
            [helper.make_node("Conv", ["x", "w"], ["y"])],
            "blur",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
            [weights],
        )
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "fp32.onnx")
        file = folder / "fp32.onnx"
        variant = Variant("fp32", file.name, sha256_of(file), file.stat().st_size)
        spec = InputSpec(kind, 24, 16, "rgb", (0.0,) * 3, (1.0,) * 3)
        manifest = ModelManifest(
            name, "1", spec, "nanodet", {}, 8, {"fp32": variant}, "fp32", "none", "this test"
        )
        write_description(folder, manifest, ("thing",))
        publish_version(folder, home)
    return home


def test_every_batch_size_is_tried_on_this_machine(store: ModelStore, tmp_path: Path) -> None:
    found = subjects(store, tmp_path / "local", ())
    assert [(str(each.model), each.size, each.batch) for each in found] == [
        ("blur@1/fp32", (16, 24), 8)
    ]
    core = min(os.sched_getaffinity(0))
    said: list[str] = []
    got = tune_all(found, {Way(1, 1): ((core,),)}, 0.1, said.append)
    assert (got.machine, got.cores, got.threads, got.provider) == (fingerprint(), 1, 1, "cpu")
    assert got.models["blur@1/fp32"].images_per_s >= got.models["blur@1/fp32"].default_images_per_s
    assert got.models["blur@1/fp32"].default_images_per_s > 0
    assert len(said) == 1, "the time is up after the first round"


def test_models_without_one_size_are_refused_by_name(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(RejectError, match="strips"):
        subjects(store, tmp_path / "local", ["strips"])


def test_a_model_that_cannot_be_run_ends_the_trial(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    core = min(os.sched_getaffinity(0))
    with trial(broken, (16, 24), Way(1, 1), [[core]]) as running, pytest.raises(RejectError):
        running.rate(1, 0.1)
