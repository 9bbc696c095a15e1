"""Measure everything this project promises about speed and memory, into build/bench.json.

make bench                          all of it: under 40 minutes on two cores
make bench ONLY="farm/limit"        only keys with that in their name; the others stay as they are
make bench ARGS="--rounds 2 --images 256"
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import agreement
import crowds
import parts
import speeds
from book import Book, asked
from ground import BUILD, RECIPES, Ground


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=2000, help="of the limit's and farm's rounds")
    parser.add_argument("--few", type=int, default=256, help="of the naive and article's rounds")
    parser.add_argument("--only", default=os.environ.get("ONLY", ""), help="parts of keys, a,b")
    wanted = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("FARM_")]:
        del os.environ[name]
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    book = Book(BUILD / "bench.json", asked(wanted.only))
    book.open()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as folder:
        ground = Ground(Path(folder), wanted.rounds, wanted.images, wanted.few)
        try:
            measure(ground, book)
        finally:
            ground.close()
    print(f"\n{(time.monotonic() - begun) / 60:.0f} min, written to {book.path}")
    for key in book.noisy():
        print(f"noisy: {key}: its rounds are {book.kept['spread'][key]:.0%} apart")


def measure(ground: Ground, book: Book) -> None:
    """Every key, the short ones first: whoever breaks off has those."""
    models = [model for model in RECIPES if ground.has(model)]
    steps = [
        partial(parts.decodes, ground, book),
        *(partial(parts.variants, ground, book, model) for model in models),
        *(partial(parts.fusion, ground, book, model) for model in models),
        partial(agreement.agreements, ground, book),
        partial(speeds.small_jobs, ground, book),
        *(partial(speeds.rates, ground, book, model) for model in models),
        partial(speeds.slots, ground, book),
        partial(speeds.tuned, ground, book),
        partial(crowds.memory, ground, book),
        partial(crowds.handing_in, ground, book),
    ]
    for step in steps:
        step()


if __name__ == "__main__":
    main()
