"""Pictures through a recipe's stages by the real pipeline and models, without a broker or files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nasfarm.broker.client import Broker
from nasfarm.core.findings import Finding
from nasfarm.core.models import PinnedModel
from nasfarm.core.recipes import ResolvedRecipe
from nasfarm.jobs.store import JobStore
from nasfarm.recipe_specs import specs
from nasfarm.registry.store import ModelStore
from nasfarm_models.cache import Cache, user_cache_folder
from nasfarm_workers.clock import Clock
from nasfarm_workers.pipeline import find
from nasfarm_workers.pixels import Enough, Picture
from nasfarm_workers.runtime.batch import Batch
from nasfarm_workers.runtime.session import Session
from nasfarm_workers.runtime.session_cache import SessionCache
from nasfarm_workers.worker import Worker, model_loader


class NoLease:
    """Progress that nobody waits for."""

    def __init__(self) -> None:
        self.clock = Clock()

    def step(self, images: int = 1) -> None:
        pass

    def preparing(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        return iter(batches)

    @contextmanager
    def running(self, model: PinnedModel, views: int, of: int) -> Iterator[None]:
        yield


class Stages:
    """A worker that looks at pictures directly. `folder` takes its copies of the models."""

    def __init__(self, folder: Path) -> None:
        self._store: ModelStore = Cache(user_cache_folder()).store
        self._worker = Worker(
            jobs=JobStore(folder / "jobs"),
            roots=dict,
            present=lambda _root: True,
            links=True,
            broker=Broker("redis://127.0.0.1:1", lease_s=30),  # connects when used, so never
            models=SessionCache(model_loader(self._store, folder / "models", 1, None)),
            node="test",
            boot="test",
            name="test",
            image_limit_mp=200,
            image_timeout_s=60,
            must_stop=lambda: False,
            takes_work=lambda: True,
            step_aside=lambda _reason: None,
        )

    def recipe(self, name: str, *sets: str) -> ResolvedRecipe:
        return specs.resolve(specs.load(None, name), sets, self._store.pin)

    def find(
        self, pictures: Sequence[Picture], recipe: ResolvedRecipe
    ) -> list[tuple[Finding, ...]]:
        """What the last stage found on each picture, all of them in one chunk."""
        return find(pictures, recipe, self._worker, NoLease())

    def enough(self, recipe: ResolvedRecipe) -> Enough:
        """How large a worker has pictures decoded for the recipe."""
        return self._worker.enough(recipe)

    def runs(self, recipe: ResolvedRecipe) -> list[int]:
        """How often each stage's session has run so far."""
        sessions = [self._worker.models.get(stage.model).session for stage in recipe.stages]
        return [session.runs for session in sessions if isinstance(session, Session)]
