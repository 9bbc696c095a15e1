"""Files and a model to images a second: by the limit's plain loop, and through a running farm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nasfarm.api import Farm
from nasfarm.core.jobs import Job
from nasfarm.core.models import InputSpec, PinnedModel
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.core.wire import plain
from nasfarm.errors import RejectError, RetryError
from nasfarm.registry.store import ModelStore

BATCH = 8
"""What the limit feeds its model at once: more gains nothing (see docs/guide/benchmark.md)."""

_LOOK_S = (0.005, 0.05)
"""Pauses between looks for a job's end, at its start and later: looking costs the farm time."""
_AS_A_SLOT = {"ORT_DISABLE_TELEMETRY": "1", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""The limit gets what makes the farm's own worker processes faster."""

_INPUTS = ("letterbox", "centre")


@dataclass(frozen=True, slots=True)
class Timed:
    """A job that went through the farm: seconds from its submit until results.jsonl was there."""

    job: Job
    seconds: float

    @property
    def images_per_s(self) -> float:
        return self.job.items / self.seconds


def limit_rate(
    files: Sequence[Path], model: Path, spec: InputSpec, cores: Sequence[int], batch: int = BATCH
) -> float:
    """Images a second of the plain loop, one pinned process on each of the cores, all warm.

    Raises RejectError where it does not know such an input, or its files are no JPEGs.
    """
    if spec.kind not in _INPUTS:
        raise RejectError(
            f"the limit feeds models whole pictures ({' or '.join(_INPUTS)}), not {spec.kind}. "
            "Measure with another recipe, for example: farm bench --recipe detect"
        )
    asked = {"model": str(model), "files": [str(file) for file in files], "input": plain(spec),
             "cores": list(cores), "batch": batch}  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(limit_program())], input=json.dumps(asked).encode(),
        capture_output=True, env={**os.environ, **_AS_A_SLOT}, check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise RejectError(f"the limit's loop has failed: {''.join(said)}")
    return float(json.loads(done.stdout)["images_per_s"])


def limit_program() -> Path:
    """limit.py: beside this file where nasfarm is installed, with the tests in a source tree."""
    here = Path(__file__)
    installed = here.with_name("limit.py")
    return installed if installed.exists() else here.parents[3] / "tests" / "bench" / "limit.py"


def through_farm(
    farm: Farm, folder: Path, recipe: str, timeout_s: float, sets: Sequence[str] = ()
) -> Timed:
    """Hand a folder in and wait for results.jsonl, looking often. Raises RetryError."""
    begun = time.perf_counter()
    handle = farm.submit(folder, recipe=recipe, sets=sets, again=True)
    results = farm.home.jobs.results(handle.job_id)
    while not results.exists():
        if time.perf_counter() - begun > timeout_s:
            raise RetryError(
                f"{handle.job_id}: not done after {timeout_s:g} s. See: farm status", code="timeout"
            )
        lasted = time.perf_counter() - begun
        time.sleep(max(_LOOK_S[0], min(_LOOK_S[1], lasted / 200)))
    seconds = time.perf_counter() - begun
    end = handle.wait(timeout_s)
    if end.errors:
        raise RetryError(f"{handle.job_id}: {end.errors} pictures failed. See: farm failed")
    return Timed(farm.job(handle.job_id), seconds)


def only_model(recipe: ResolvedRecipe) -> PinnedModel:
    """The model of a recipe that has one. Raises RejectError."""
    if len(recipe.stages) != 1:
        raise RejectError(
            f"the recipe {recipe.name} runs {len(recipe.stages)} models, and the limit is a loop "
            "around one. Measure with another, for example: farm bench --recipe detect"
        )
    return recipe.stages[0].model


def model_file(store: ModelStore, model: PinnedModel) -> Path:
    """The ONNX file that a job's workers open. Raises UnknownNameError, StorageError."""
    variant = store.manifest(model.name, model.version).variants[model.variant]
    return store.version_folder(model.name, model.version) / variant.file
