"""One way of running a model to images a second, in processes pinned as the farm's slots are."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np

from nasfarm.errors import RejectError
from nasfarm_workers.runtime.session import open_session
from nasfarm_workers.tuning.choice import Way


class Trial:
    """Processes that have the model open and run it on command."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def rate(self, batch: int, seconds: float) -> float:
        """Images a second of all processes together, over about so many seconds."""
        try:
            for process in self._processes:
                assert process.stdin is not None
                process.stdin.write(f"{batch} {seconds}\n")
                process.stdin.flush()
            return sum(map(_answer, self._processes))
        except (OSError, ValueError) as error:  # it has ended, and said why
            raise RejectError("the model cannot be run here: see above", code="model") from error


def _answer(process: subprocess.Popen[str]) -> float:
    assert process.stdout is not None
    return float(process.stdout.readline())


@contextmanager
def trial(
    path: Path, size: tuple[int, int], way: Way, slots: Sequence[Sequence[int]]
) -> Iterator[Trial]:
    """Start a process for each of `slots` (core numbers), gone afterwards.

    size: height and width of the model's input. Raises RejectError.
    """
    program = (sys.executable, "-m", "nasfarm_workers.tuning.trial")
    model = (str(path), *map(str, size), str(way.threads), way.provider)
    with ExitStack() as stack:
        processes = []
        for cores in slots:
            pinned = ("taskset", "--cpu-list", ",".join(map(str, cores)))
            process = subprocess.Popen(
                [*pinned, *program, *model],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            stack.callback(_end, process)
            processes.append(process)
        yield Trial(processes)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what was written when it was gone already
            assert pipe is not None
            pipe.close()


def answer(path: Path, size: tuple[int, int], threads: int, provider: str) -> None:
    """Be one of the processes: `BATCH SECONDS` on stdin, images a second on stdout."""
    session = open_session(path, threads, provider)
    ready: dict[int, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}
    noise = np.random.default_rng(0)
    for line in sys.stdin:
        batch, seconds = int(line.split()[0]), float(line.split()[1])
        if batch not in ready:
            ready[batch] = noise.standard_normal((batch, 3, *size), dtype=np.float32)
            session.run(ready[batch])  # the first run of a size gets its memory
        begun, images = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            session.run(ready[batch])
            images += batch
        sys.stdout.write(f"{images / (time.perf_counter() - begun)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    model, height, width, threads, provider = sys.argv[1:]
    try:
        answer(Path(model), (int(height), int(width)), int(threads), provider)
    except RejectError as error:
        sys.exit(str(error))
