"""A real receiver of webhooks: as a thread of the test, or as a process that can be killed."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Got:
    """One POST: its headers in small letters, and its body."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Inbox:
    """What arrived, in order. answer: the status to answer with, after those of `answers`; what is
    answered with 200 has arrived.
    """

    url: str = ""
    answer: int = 200
    answers: list[int] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    refused: list[Got] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [one.event["text"] for one in self.got]


@contextmanager
def receiving(port: int = 0) -> Iterator[Inbox]:
    """A receiver on loopback while the block runs."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got = Got({name.lower(): text for name, text in self.headers.items()}, body)
            answer = inbox.answers.pop(0) if inbox.answers else inbox.answer
            (inbox.got if answer == 200 else inbox.refused).append(got)
            self.send_response(answer)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    inbox.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def receiver_process(port: int, file: Path) -> subprocess.Popen[bytes]:
    """A receiver of its own: each event becomes a line of `file` before it is answered."""
    return subprocess.Popen([sys.executable, __file__, str(port), str(file)])


def _serve(port: int, file: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with open(file, "ab") as lines:
                lines.write(body + b"\n")
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), Path(sys.argv[2]))
