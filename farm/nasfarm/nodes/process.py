"""A command line to a process that dies with its parent, and from a process to its end.

Linux only: PR_SET_PDEATHSIG makes the kernel send a signal when the parent goes, also by kill -9.
This file is also the small program through which every child is started (see `spawn`), so it
imports the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOG_BYTES = 5_000_000
PARENT_GONE = 75  # exit status of a child whose parent went before it could be leashed
CANNOT_START = 127  # exit status of a child whose program is missing or not executable, as in sh


def die_with_parent(
    parent: int | None = None, death_signal: signal.Signals = signal.SIGTERM
) -> None:
    """Ask the kernel to send this process `death_signal` when its parent goes; call it at start.

    parent: the parent's pid as known before the fork. Where it is given and no longer the parent,
    the parent went before this call, no signal would ever come, and this process exits at once.
    The wish is lost on fork, so a prefork child asks again; it is kept on exec.

    Raises OSError where the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(death_signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
    if parent is not None and os.getppid() != parent:
        # os._exit: this may be a fork of a larger program, whose exit handlers are not ours to run.
        os._exit(PARENT_GONE)


def spawn(
    argv: Sequence[str],
    log_path: Path,
    *,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `argv` so that it dies with this process; its output is appended to `log_path`.

    env: added to this process's own. The child is in a process group of its own, so a Ctrl-C in
    the terminal reaches only this process, which then stops its children in order.

    The kernel's "parent" is the calling *thread*: call this from the main thread, or from one that
    outlives the child.

    Through a small Python program that leashes itself and execs `argv`, not with `preexec_fn`: that
    runs Python between fork and exec, which can deadlock (and warns, from 3.12) in a process with
    threads. It costs about 30 ms a start; the pid stays the same.

    Raises OSError where the log cannot be opened. A program that cannot be started exits 127 and
    says so in its log.
    """
    leash = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal))]
    rotate(log_path)
    with open(log_path, "ab") as log:
        return subprocess.Popen(
            [*leash, *argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            pass_fds=tuple(pass_fds),
            process_group=0,
        )


def rotate(log_path: Path) -> None:
    """Begin a log anew where it has grown large; one earlier part is kept, as `….1`."""
    if log_path.exists() and log_path.stat().st_size > LOG_BYTES:
        log_path.replace(f"{log_path}.1")


def stop(process: subprocess.Popen[bytes], grace_s: float = 10.0) -> int:
    """End a child: SIGTERM, after `grace_s` SIGKILL. Returns its exit code, -N for signal N."""
    process.terminate()
    try:
        return process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _exec_leashed(arguments: Sequence[str]) -> None:
    """`PARENT SIGNAL ARGV…`: leash this process to PARENT and become ARGV."""
    parent, death_signal, *argv = arguments
    die_with_parent(int(parent), signal.Signals(int(death_signal)))
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: cannot be started: {error.strerror}\n")
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    _exec_leashed(sys.argv[1:])
