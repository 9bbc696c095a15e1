"""Measure this machine: how soon the command answers, and images a second through a warm farm.

make bench                 everything, medians and spread, as a table and build/bench.json
make bench ARGS="--rounds 3 --images 128"
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from farmyard import Farmyard

BUILD = Path(__file__).parents[2] / "build"
NOISY = 0.10
"""A wider spread, (highest − lowest) / median, is the machine's and not ours."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=256)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as folder:
        yard = Farmyard(Path(folder))
        try:
            yard.up()
            figures = measured(yard, photos(yard, wanted.images), wanted.rounds)
        finally:
            yard.close()
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench.json").write_text(json.dumps({"figures": figures}, indent=2) + "\n")
    print(f"\nWritten to {BUILD / 'bench.json'}")


def photos(yard: Farmyard, count: int) -> Path:
    """`count` sample photos in the farm's home, as links to a few files."""
    folder = yard.home / "photos"
    folder.mkdir()
    kept = yard.ok("models", "show", "sample-photos", "--json").json["files"]
    first = [Path(file) for file in kept]
    copies = [yard.folder / file.name for file in first]
    for file, copy in zip(first, copies, strict=True):
        copy.write_bytes(file.read_bytes())
    for i in range(count):
        source = copies[i % len(copies)]
        os.link(source, folder / f"{i:05d}{source.suffix}")
    return folder


def measured(yard: Farmyard, folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Every figure with its median, lowest and highest; the rounds go in turn."""
    one = next(folder.iterdir())

    def rate() -> float:
        return float(yard.submit(folder, "--recipe", "detect", "--again")["images_per_s"])

    def single() -> float:
        return seconds(lambda: yard.submit(one, "--recipe", "detect", "--again"))

    keys: dict[str, Callable[[], float]] = {
        "help_s": lambda: seconds(lambda: yard.ok("--help")),
        "detect_images_per_s": rate,
        "submit_wait_one_image_s": single,
    }
    for run in keys.values():
        run()  # the first opens models and fills caches
    values: dict[str, list[float]] = {key: [] for key in keys}
    for _ in range(rounds):
        for key, run in keys.items():
            values[key].append(run())
    return {key: shown(key, found) for key, found in values.items()}


def seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def shown(key: str, found: list[float]) -> dict[str, float]:
    """Print a figure's row and return it."""
    middle, low, high = statistics.median(found), min(found), max(found)
    noise = "  (noisy machine)" if (high - low) / middle > NOISY else ""
    print(f"{key:28} {middle:8.3f}   {low:8.3f} to {high:.3f}{noise}")
    return {"median": middle, "lowest": low, "highest": high}


if __name__ == "__main__":
    subprocess.run([sys.executable, "-m", "nasfarm", "--version"], check=True)
    main()
