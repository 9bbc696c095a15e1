"""What every measurement stands on: a warm farm, photos of a camera's size, models' files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from farmyard import CORES, Farmyard
from nasfarm.api import Farm
from nasfarm.core.models import ModelManifest, ModelRef
from nasfarm_workers.bench.photos import FULL_HD, TWELVE_MP, enlarged, linked, sample_photos
from nasfarm_workers.bench.rates import limit_rate, model_file, through_farm

BUILD = Path(__file__).parents[2] / "build"
DISTINCT = 48
MORE_PHOTOS = Path("/usr/share/doc/opencv-doc/examples/data")
"""Debian's opencv-doc: where it is installed, photos are drawn from it too."""
MORE_NAMES = """aloeL baboon basketball1 board box_in_scene building butterfly fruits graf1 home
    leuvenA licenseplate_motion messi5 rubberwhale1 smarties squirrel_cls stuff""".split()

RECIPES = {"nanodet-g": "detect", "efficientnet-lite0": "classify"}


@dataclass
class Ground:
    """folder: on a local disk, gone afterwards. images: of a long round. few: of a slow one's."""

    folder: Path
    rounds: int
    images: int
    few: int
    yards: dict[str, Farmyard] = field(default_factory=dict)

    # -- farms -------------------------------------------------------------------------------

    def yard(self, name: str = "main", settings: dict[str, str] | None = None) -> Farmyard:
        """The farm of that name, up; made when first asked for."""
        if name not in self.yards:
            print(f"starting the farm '{name}'", flush=True)
            self.yards[name] = yard = Farmyard(self.folder / name, settings or {})
            yard.ok("init", "--no-models")
            for model in RECIPES:
                pulled = yard.run("models", "pull", model, timeout_s=900)
                if pulled.code:
                    print(f"nothing of {model} is measured: {pulled.err.splitlines()[-1]}")
            yard.up()
        return self.yards[name]

    def close(self) -> None:
        for yard in self.yards.values():
            yard.close()

    @cached_property
    def farm(self) -> Farm:
        return opened(self.yard())

    # -- photos ------------------------------------------------------------------------------

    @cached_property
    def sources(self) -> list[Path]:
        found = [path for name in MORE_NAMES for path in MORE_PHOTOS.glob(f"{name}.*")]
        return sample_photos(self.yard().home) + sorted(found)

    @cached_property
    def full_hd(self) -> list[Path]:
        return enlarged(self.sources, self._photos("full-hd"), FULL_HD, DISTINCT)

    @cached_property
    def twelve_mp(self) -> list[Path]:
        return enlarged(self.sources, self._photos("12-mp"), TWELVE_MP, DISTINCT // 2)

    @cached_property
    def tiny(self) -> list[Path]:
        return enlarged(self.sources, self._photos("tiny"), (320, 240), DISTINCT)

    def _photos(self, name: str) -> Path:
        return BUILD / "bench-photos" / f"{name}-{len(self.sources)}"

    def crowd(self, files: list[Path], name: str, count: int, yard: str = "main") -> Path:
        """`count` photos in a folder of a farm's home; made once."""
        folder = self.yard(yard).home / "photos" / name
        if not folder.exists():
            near = self.folder / yard / "distinct" / name
            near.mkdir(parents=True)
            copies = [near / file.name for file in files]
            for file, copy in zip(files, copies, strict=True):
                copy.write_bytes(file.read_bytes())
            linked(copies, folder, count)
        return folder

    # -- models ------------------------------------------------------------------------------

    def manifest(self, model: str) -> ModelManifest:
        pinned = self.farm.home.models.pin(ModelRef(model))
        return self.farm.home.models.manifest(pinned.name, pinned.version)

    def file(self, model: str, variant: str | None = None) -> Path:
        """The ONNX file of a variant; None: of the one that jobs use."""
        store = self.farm.home.models
        return model_file(store, store.pin(ModelRef(model, variant=variant)))

    def has(self, model: str, variant: str | None = None) -> bool:
        """Whether the home has it; efficientnet-lite0 has no INT8 where that missed its gate."""
        names = self.farm.home.models.names()
        return model in names and (variant is None or variant in self.manifest(model).variants)

    # -- rates -------------------------------------------------------------------------------

    def limit(self, model: str, folder: Path, cores: list[int] = CORES) -> float:
        files = sorted(folder.iterdir())
        return limit_rate(files, self.file(model), self.manifest(model).input, cores)

    def through(self, model: str, folder: Path, farm: Farm | None = None) -> float:
        return through_farm(farm or self.farm, folder, RECIPES[model], 600).images_per_s

    def script(self, name: str, *arguments: object) -> float:
        """The rate that naive.py or article.py prints."""
        command = [sys.executable, str(Path(__file__).with_name(name)), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name} has failed:\n{done.stderr}")
        return float(done.stdout.split()[-1])


def opened(yard: Farmyard) -> Farm:
    """The API of a farm whose settings are not this process's."""
    with settings_of(yard):
        farm = Farm(yard.home)
        _ = farm.home, farm.broker
    return farm


@contextmanager
def settings_of(yard: Farmyard) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(yard.environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
